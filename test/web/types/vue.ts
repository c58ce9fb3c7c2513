import type { GlobalComponents } from "vue";
import "belfry/inbox/vue";

type Props = InstanceType<GlobalComponents["belfry-inbox"]>["$props"];

/** What vue-tsc makes of `<belfry-inbox …>` in a template. */
export const good: Props = {
  class: "bell",
  key: "inbox",
  server: "https://notify.example",
  user: "alex",
  getToken: async () => "",
  theme: "dark",
  "read-on": "open",
  tokenUrl: "/token",
  renderItem: (item) => item.title ?? null,
  onBelfryCount: ({ detail }) => detail.unread.toFixed(),
  onBelfryItems: ({ detail }) => detail.items.map((one) => one.id),
};
// @ts-expect-error
export const wrongType: Props = { user: 7 };
// @ts-expect-error
export const wrongValue: Props = { theme: "blue" };
// @ts-expect-error
export const wrongName: Props = { usr: "alex" };
// @ts-expect-error
export const wrongDetail: Props = { onBelfryCount: ({ detail }) => detail.unred };
