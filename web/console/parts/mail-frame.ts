import { html, type TemplateResult } from "lit";
import { serviceUrl } from "../api.ts";
import { Part } from "../part.ts";

/**
 * An e-mail's HTML as a mail program shows it: no scripts, no forms, no external images, no access to this page. A frame
 * inherits the Content-Security-Policy of its document, and ours forbids inline styles. So the e-mail lies in a document of
 * its own (`message.html`), whose policy allows only those.
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
    // The reader followed a link, which the policy blocks: show the e-mail again.
    inner.addEventListener("load", () => inner.addEventListener("load", this.#fill), { once: true });
    page.body.replaceChildren(inner);
  };

  override render(): TemplateResult {
    return html`<iframe class="mail" src=${serviceUrl("/message.html")} title=${this.label} @load=${this.#fill}></iframe>`;
  }

  override updated(): void {
    this.#fill();
  }
}

customElements.define("bf-mail-frame", MailFrame);
