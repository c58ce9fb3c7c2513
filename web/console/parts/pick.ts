import { html, nothing, type TemplateResult } from "lit";

interface Line {
  address: string;
  isOpen: boolean;
  name: unknown;
  about: unknown;
  end: unknown;
}

/** A list entry that can be opened: one line of a table where there is room, else two lines. */
export const pickLine = ({ address, isOpen, name, about, end }: Line): TemplateResult => html`<li>
  <a href=${address} aria-current=${isOpen ? "true" : nothing}>
    <span class="name" dir="auto">${name}</span>
    <span class="about" dir="auto">${about}</span>
    <span class="end">${end}</span>
  </a>
</li>`;
