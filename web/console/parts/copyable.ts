import { html, type TemplateResult } from "lit";

/** An id with a button that copies it. */
export const copyable = (id: string, shown: unknown = html`<code>${id}</code>`): TemplateResult =>
  html`<span class="copyable"><span>${shown}</span>
    <button type="button" class="copy" aria-label=${`Copy ${id}`} @click=${(event: Event) => copy(event, id)}>Copy</button></span>`;

async function copy({ currentTarget }: Event, id: string): Promise<void> {
  const button = currentTarget as HTMLButtonElement;
  try {
    await navigator.clipboard.writeText(id);
    button.textContent = "Copied";
  } catch {
    // Without HTTPS there is no clipboard for pages: the id is selected instead.
    getSelection()?.selectAllChildren(button.previousElementSibling as Element);
    button.textContent = "Selected";
  }
  setTimeout(() => (button.textContent = "Copy"), 2_000);
}
