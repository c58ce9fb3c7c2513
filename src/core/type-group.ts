import { createHash } from "node:crypto";
import type { Liquid } from "liquidjs";
import type { DeliveryContent } from "../model/delivery.ts";
import { type Expression, parseExpression } from "./expressions.ts";
import { variables } from "./templates.ts";
import type { NotificationType } from "./types.ts";

/** How inbox items of the type are put together, and who caused one. */
export interface ItemGroup {
  group?: string;
  actor?: string;
}

const maxCharacters = 200;

/** Reads a type's `group`. Its expressions see the notification, and no user: many users share one plan. */
export function readGroup(key: string, { group }: Pick<NotificationType, "group">, engine: Liquid) {
  const problems: string[] = [];
  const read = (name: "by" | "actor"): Expression | undefined => {
    const source = group?.[name];
    try {
      return source === undefined ? undefined : parseExpression(engine, source);
    } catch (error) {
      problems.push(`type ${key}, group, ${name}: ${(error as Error).message}`);
      return undefined;
    }
  };
  const [by, actor] = [read("by"), read("actor")];
  const groupOf = (content: DeliveryContent): ItemGroup => {
    const value = by && textOf(by, content);
    if (!value) return {};
    const name = actor && textOf(actor, content);
    return { group: shortOf(value), ...(name && { actor: name.slice(0, maxCharacters).toWellFormed() }) };
  };
  return { groupOf, problems };
}

/** An item whose value is missing, or cannot be computed, is in no group. */
function textOf(expression: Expression, content: DeliveryContent): string | undefined {
  const scope = variables(content, {});
  try {
    return expression.holds(scope) ? expression.text(scope) : undefined;
  } catch {
    return undefined;
  }
}

const shortOf = (value: string): string =>
  value.length > maxCharacters ? createHash("sha256").update(value).digest("base64url") : value;
