import { html, nothing, type TemplateResult } from "lit";
import { BelfryClientError } from "../../../src/client/error.ts";
import { ask } from "../api.ts";
import { errorBox } from "../error-box.ts";
import { Part } from "../part.ts";
import { addressOf, go } from "../route.ts";
import type { DeliveryPage } from "../wire.ts";

/** One field for any id: of a delivery, a notification or a user. Goes to what it finds. */
class Find extends Part {
  #error: unknown;
  #missing: string | undefined;
  #isBusy = false;
  #asking = new AbortController();

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#asking.abort();
  }

  #find = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const id = String(new FormData(event.currentTarget as HTMLFormElement).get("id")).trim();
    if (!id) return;
    this.#asking.abort();
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    this.#error = undefined;
    this.#missing = undefined;
    this.#isBusy = true;
    this.requestUpdate();
    try {
      const address = await placeOfId(id, signal);
      if (address) go(address);
      else this.#missing = id;
    } catch (error) {
      if (signal.aborted) return;
      this.#error = error;
    }
    this.#isBusy = false;
    this.requestUpdate();
  };

  override render(): TemplateResult {
    return html`<form class="search" role="search" aria-label="Find by id" @submit=${this.#find}>
        <label>Find by id <span class="soft">(delivery, notification or user)</span>
          <input name="id" type="search" maxlength="128" autocomplete="off" spellcheck="false" />
        </label>
        <button type="submit" ?disabled=${this.#isBusy}>${this.#isBusy ? "Searching…" : "Find"}</button>
      </form>
      <p class="wrong" role="status">${
        this.#missing === undefined
          ? nothing
          : html`No delivery, notification or user has the id “<bdi>${this.#missing}</bdi>”.`
      }</p>
      ${errorBox(this.#error)}`;
  }
}

/** The address of the delivery, notification or user with this id. */
async function placeOfId(id: string, signal: AbortSignal): Promise<string | undefined> {
  const isHex = /^[0-9a-f]{24}$/i.test(id);
  const some = async (query: Record<string, string>) =>
    (await ask<DeliveryPage>("GET", "/v1/deliveries", { query: { ...query, limit: 1 }, signal })).data
      .length > 0;
  const exists = (path: string) =>
    ask("GET", path, { signal }).then(
      () => true,
      (error) => {
        if (error instanceof BelfryClientError && [400, 404].includes(error.status)) return false;
        throw error;
      },
    );
  if (isHex) {
    if (await exists(`/v1/deliveries/${id}`)) return addressOf("deliveries", id.toLowerCase());
    if (await some({ notification_id: id }))
      return addressOf("deliveries", undefined, { notification_id: id });
  }
  if (await some({ user_id: id })) return addressOf("deliveries", undefined, { user_id: id });
  if (await exists(`/v1/users/${encodeURIComponent(id)}`)) return addressOf("users", id);
  // This searches every inbox, so it comes last.
  if (isHex && (await exists(`/v1/notifications/${id}`)))
    return addressOf("deliveries", undefined, { notification_id: id });
  return undefined;
}

customElements.define("bf-find", Find);
