import { html, nothing, type TemplateResult } from "lit";
import { plural } from "../format.ts";

/** The service sends no longer texts. */
const mostCharacters = 1_600;

/** A text message as a phone shows it. */
export function smsBubble(text: string, segments?: number): TemplateResult {
  const tooLong = text.length > mostCharacters ? `: too long, at most ${mostCharacters} can be sent` : "";
  const size = segments && `${plural(segments, "segment")}, ${plural(text.length, "character")}${tooLong}`;
  return html`<div class="sms">
    <p class="bubble" dir="auto">${text}</p>
    ${size ? html`<p class="soft">${size}</p>` : nothing}
  </div>`;
}
