import { html, type TemplateResult } from "lit";
import "./mail-frame.ts";

/** An e-mail: subject, optionally whom it is to, and how it looks. */
export const mail = (
  { subject, html: content, text }: { subject?: string; html?: string; text?: string },
  to?: string,
): TemplateResult => html`<figure class="message">
  <figcaption>
    <strong dir="auto">${subject}</strong> ${to ? html`<span class="soft">to <bdi>${to}</bdi></span>` : ""}
  </figcaption>
  ${
    content
      ? html`<bf-mail-frame .content=${content} .label=${to ? `The e-mail to ${to}` : "The e-mail"}></bf-mail-frame>`
      : html`<pre class="text" dir="auto" tabindex="0">${text}</pre>`
  }
</figure>`;
