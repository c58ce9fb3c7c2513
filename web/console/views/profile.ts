import { html, nothing, type TemplateResult } from "lit";
import { BelfryClientError } from "../../../src/client/error.ts";
import type { ProfileAnswer as Profile } from "../../../src/client/wire.ts";
import { ask } from "../api.ts";
import { errorBox } from "../error-box.ts";
import { loadState } from "../feedback.ts";
import { Loop, Part } from "../part.ts";

const fields = [
  { name: "email", label: "E-mail", hint: "alex@example.com" },
  { name: "phone", label: "Phone", hint: "+12025550100" },
  { name: "locale", label: "Language", hint: "de, pt-BR" },
  { name: "time_zone", label: "Time zone", hint: "Europe/Berlin" },
] as const;

/** A user's addresses and settings, as a form. */
class ProfileForm extends Part {
  static override properties = { user: { attribute: false } };
  declare user: string;
  /** Undefined when the user does not exist yet. */
  #profile: Profile | undefined;
  #error: unknown;
  #notice = "";
  #loop = new Loop(this, async (signal) => {
    this.#profile = await ask<Profile>("GET", this.#path, { signal }).catch((error) => {
      if (error instanceof BelfryClientError && error.status === 404) return undefined;
      throw error;
    });
    return undefined;
  });

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (!changed.has("user") || !this.hasUpdated) return;
    this.#profile = undefined;
    this.#error = undefined;
    this.#notice = "";
    this.#loop.restart();
  }

  get #path(): string {
    return `/v1/users/${encodeURIComponent(this.user)}`;
  }

  #save = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    this.#error = undefined;
    this.#notice = "";
    const form = event.target as HTMLFormElement;
    try {
      const body = this.#changes(new FormData(form));
      this.#profile = await ask<Profile>("PATCH", this.#path, { body });
      this.#notice = "Saved.";
      (form.elements.namedItem("secret") as HTMLInputElement).value = "";
    } catch (error) {
      this.#error = error;
    }
    this.requestUpdate();
  };

  /** Only the changed fields, so that somebody else's changes to the others stay. */
  #changes(form: FormData): Record<string, unknown> {
    const before = this.#profile;
    const given = (name: string) => String(form.get(name)).trim();
    const texts = fields
      .filter(({ name }) => given(name) !== (before?.[name] ?? ""))
      .map(({ name }) => [name, given(name) || null]);
    const [url, secret, known = ""] = [given("webhook"), given("secret"), before?.webhook?.url];
    if (url !== known && url && !secret) {
      const problem = "Enter a secret for the new webhook address: the old one cannot be read.";
      throw new BelfryClientError(problem, { code: "secret" });
    }
    const webhook = secret ? { url, secrets: [secret] } : known && !url ? null : undefined;
    return { ...Object.fromEntries(texts), ...(webhook !== undefined && { webhook }) };
  }

  override render(): TemplateResult {
    if (this.#loop.error || this.#loop.isFirst) return html`${loadState(this.#loop)}`;
    const { url = "" } = this.#profile?.webhook ?? {};
    const wrong = this.#wrong("webhook");
    return html`
      ${this.#profile ? nothing : html`<p class="soft">This user does not exist yet; saving creates it.</p>`}
      <form class="profile" @submit=${this.#save}>
        ${fields.map((field) => this.#field(field))}
        <details ?open=${url !== "" || wrong !== undefined}>
          <summary>Webhook</summary>
          <label>Address
            <input name="webhook" type="url" autocomplete="off" placeholder="https://example.com/hook" .value=${url} />
          </label>
          <label>New secret
            <input name="secret" autocomplete="off" spellcheck="false" placeholder="whsec_…" />
          </label>
          <p class="wrong">${wrong}</p>
        </details>
        <p class="actions"><button type="submit">Save</button> <span role="status">${this.#notice}</span></p>
        ${this.#error ? errorBox(this.#error) : nothing}
      </form>`;
  }

  #field({ name, label, hint }: (typeof fields)[number]): TemplateResult {
    const wrong = this.#wrong(name);
    return html`<div>
      <label>${label}
        <input
          name=${name}
          autocomplete="off"
          placeholder=${hint}
          aria-invalid=${wrong ? "true" : nothing}
          aria-describedby=${`${name}-wrong`}
          .value=${this.#profile?.[name] ?? ""}
        />
      </label>
      <p class="wrong" id=${`${name}-wrong`}>${wrong}</p>
    </div>`;
  }

  /** The server's error for a field. */
  #wrong(name: string): string | undefined {
    const details = this.#error instanceof BelfryClientError ? this.#error.details : [];
    const found = details.find(({ pointer }) => pointer.startsWith(`/${name}`));
    return found && `It ${found.detail}.`;
  }
}

customElements.define("bf-profile", ProfileForm);
