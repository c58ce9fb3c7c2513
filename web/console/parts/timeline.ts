import { html, nothing, type TemplateResult } from "lit";
import type { DeliveryDecision } from "../../../src/client/wire.ts";
import { moment } from "../feedback.ts";
import { duration } from "../format.ts";
import { stateMark } from "../icons.ts";
import { outcomeText } from "../labels.ts";
import type { Attempt, DeliveryRecord } from "../wire.ts";
import { due as dueAt } from "./due.ts";

/** A delivery keeps this many attempts. */
const keptAttempts = 20;
/** Shorter pauses are not shown. */
const pauseMs = 1_000;

const marks: Record<string, string> = {
  sent: "sent",
  retry: "pending",
  unknown: "uncertain",
  rejected: "failed",
  misconfigured: "failed",
};

/** A delivery's history: accepted, what the rules decided, each attempt, and what comes next. */
export function timeline(one: DeliveryRecord): TemplateResult {
  const { attempts, decisions, created_at } = one;
  const isCut = attempts.length >= keptAttempts;
  return html`<ol class="timeline">
    <li>${moment(created_at)}<p>Accepted and stored</p></li>
    ${isCut ? html`<li><p class="soft">Only the newest ${keptAttempts} attempts are kept.</p></li>` : nothing}
    ${[
      ...decisions.map((decision) => ({ at: decision.at, line: decisionLine(decision) })),
      ...attempts.map((attempt, at) => {
        const before = at > 0 ? attempts[at - 1]?.at : isCut ? undefined : created_at;
        return { at: attempt.at, line: attemptLine(attempt, before) };
      }),
    ]
      .sort((a, b) => Date.parse(a.at) - Date.parse(b.at))
      .map(({ line }) => line)}
    ${next(one)}
  </ol>`;
}

function decisionLine({ at, verdict, rule, until }: DeliveryDecision): TemplateResult {
  return html`<li>
    ${stateMark(verdict === "later" ? "pending" : "skipped")} ${moment(at)}
    <p>${verdict === "later" ? html`Waits until ${moment(until as string)}` : "Not sent"}: <code>${rule}</code></p>
  </li>`;
}

function attemptLine(
  { at, provider, outcome, code, text, ms }: Attempt,
  before: string | undefined,
): TemplateResult {
  const pause = before === undefined ? 0 : Date.parse(at) - Date.parse(before);
  return html`<li>
    ${stateMark(marks[outcome] ?? "pending")} ${moment(at)}
    <p><strong>${provider}</strong>: ${outcomeText[outcome] ?? outcome} ${code ? html`<code>${code}</code>` : nothing}</p>
    <p class="soft">${pause >= pauseMs ? `${duration(pause)} later, ` : ""}took ${duration(ms)}</p>
    ${text ? html`<blockquote dir="auto">${text}</blockquote>` : nothing}
  </li>`;
}

function next({
  status,
  due,
  held_until,
  updated_at,
  attempts,
}: DeliveryRecord): TemplateResult | typeof nothing {
  if (status === "pending" && due !== undefined)
    return html`<li>${stateMark(status)}<p>${dueAt(due, attempts.length ? "Next try" : "Due", "Due now")}</p></li>`;
  if (status === "sending")
    return html`<li>
      ${stateMark(status)}
      <p>A worker is sending it${held_until ? html`. ${dueAt(held_until, "Its lease ends at", "Its lease has ended")}` : nothing}</p>
    </li>`;
  if (status === "delivered")
    return html`<li>${stateMark(status)}${moment(updated_at)}<p>The provider reports that it has arrived</p></li>`;
  return nothing;
}
