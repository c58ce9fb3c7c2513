import type { SvelteHTMLElements } from "svelte/elements";
import "belfry/inbox/svelte";

type Props = SvelteHTMLElements["belfry-inbox"];

/** What svelte-check makes of `<belfry-inbox …>`. */
export const good: Props = {
  class: "bell",
  server: "https://notify.example",
  user: "alex",
  getToken: async () => "",
  theme: "dark",
  "read-on": "open",
  "token-url": "/token",
  renderItem: (item) => item.title ?? null,
  "onbelfry-count": ({ detail }) => detail.unread.toFixed(),
  "on:belfry-items": ({ detail }) => detail.items.map((one) => one.id),
};
// @ts-expect-error
export const wrongType: Props = { user: 7 };
// @ts-expect-error
export const wrongValue: Props = { theme: "blue" };
// @ts-expect-error
export const wrongName: Props = { usr: "alex" };
// @ts-expect-error
export const wrongDetail: Props = { "onbelfry-count": ({ detail }) => detail.unred };
