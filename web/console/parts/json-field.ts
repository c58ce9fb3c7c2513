import { html, nothing, type TemplateResult } from "lit";
import { Part } from "../part.ts";
import { faultIn } from "./json-fault.ts";

const mostBytes = 8 * 1024;

/** Parses an object: `value`, or `wrong` with a sentence. An empty text has neither. */
export function readObject(text: string): { value?: Record<string, unknown>; wrong?: string } {
  if (text.trim() === "") return {};
  let value: unknown;
  let tooLarge: string | undefined;
  try {
    value = JSON.parse(text, (name, one) => {
      if (typeof one === "number" && !Number.isFinite(one)) tooLarge = name;
      return one;
    });
  } catch {
    return { wrong: `This is not valid JSON: ${placeIn(text, faultIn(text))}.` };
  }
  // JSON.stringify would send it as null.
  if (tooLarge !== undefined)
    return { wrong: `“${tooLarge}” is too large for a number: send it as a string, in quotes.` };
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return { wrong: 'Enter a JSON object, such as {"device": "phone"}.' };
  const bytes = new TextEncoder().encode(JSON.stringify(value)).length;
  if (bytes > mostBytes) return { wrong: `This is ${bytes} bytes; at most ${mostBytes} are allowed.` };
  return { value: value as Record<string, unknown> };
}

function placeIn(text: string, at: number): string {
  const before = text.slice(0, at).split("\n");
  const place = `line ${before.length}, column ${(before.at(-1) as string).length + 1}`;
  return at < text.length ? `see ${place}` : `it ends too early, at ${place}`;
}

/** A field for JSON that shows errors while typing. Its `value` is the text. */
export class JsonField extends Part {
  static override properties = { value: { attribute: false }, name: {}, server: { attribute: false } };
  declare value: string;
  declare name: string;
  /** The server's error. */
  declare server: string | undefined;

  constructor() {
    super();
    this.value = "";
    this.name = "data";
  }

  #typed = (event: Event): void => {
    this.value = (event.target as HTMLTextAreaElement).value;
    this.server = undefined;
    this.dispatchEvent(new Event("typed", { bubbles: true }));
  };

  override render(): TemplateResult {
    const { wrong } = readObject(this.value);
    const problem = wrong ?? this.server;
    const id = `${this.name}-problem`;
    return html`<label>Data <span class="soft">(JSON, for templates and apps)</span>
        <textarea
          class="code"
          rows="3"
          spellcheck="false"
          aria-invalid=${problem ? "true" : nothing}
          aria-describedby=${id}
          .value=${this.value}
          @input=${this.#typed}
        ></textarea>
      </label>
      <p class="wrong" id=${id} aria-live="polite">${problem}</p>`;
  }
}

customElements.define("bf-json-field", JsonField);
