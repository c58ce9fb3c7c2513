import { html, type TemplateResult } from "lit";
import { Part } from "../part.ts";

/**
 * A message's HTML as a mail program would show it, and nothing more: no scripts, no forms, no pictures from elsewhere, no
 * way into this page. A frame takes the policy of the document it lies in, and ours allows a mail no style of its own; so
 * it lies in a document for it alone (`/message.html`), whose policy allows that and nothing else.
 */
export class MailFrame extends Part {
  static override properties = { content: { attribute: false }, label: { attribute: false } };
  declare content: string;
  declare label: string;

  #fill = (): void => {
    const outer = this.querySelector("iframe");
    const page = outer?.contentDocument;
    if (!page?.body || !page.URL.endsWith("/message.html")) return;
    const inner = page.createElement("iframe");
    inner.setAttribute("sandbox", "");
    inner.title = this.label;
    inner.srcdoc = this.content;
    // A link has led away, to where nothing may be shown.
    inner.addEventListener("load", () => inner.addEventListener("load", this.#fill), { once: true });
    page.body.replaceChildren(inner);
  };

  override render(): TemplateResult {
    return html`<iframe class="mail" src="/message.html" title=${this.label} @load=${this.#fill}></iframe>`;
  }

  override updated(): void {
    this.#fill();
  }
}

customElements.define("bf-mail-frame", MailFrame);
