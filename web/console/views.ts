import { html, type TemplateResult } from "lit";
import type { Place } from "./route.ts";

export interface View {
  name: string;
  title: string;
  /** A phone's bar has room for four; the others are behind "More". */
  isMain: boolean;
  show: (place: Place) => TemplateResult;
  /** Loads a view that is not in the first bundle. */
  load?: () => Promise<unknown>;
}

export const views: View[] = [
  {
    name: "send",
    title: "Send",
    isMain: true,
    show: () => html`<bf-send></bf-send>`,
  },
  {
    name: "users",
    title: "Users",
    isMain: true,
    show: ({ id, query }) => html`<bf-users .user=${id} .search=${query.get("q") ?? ""}></bf-users>`,
  },
  {
    name: "deliveries",
    title: "Deliveries",
    isMain: true,
    show: ({ id, query }) => html`<bf-deliveries .open=${id} .filters=${query.toString()}></bf-deliveries>`,
  },
  {
    name: "live",
    title: "Live",
    isMain: true,
    show: () => html`<bf-live></bf-live>`,
    load: () => import("./views/live.ts"),
  },
  {
    name: "captured",
    title: "Captured",
    isMain: false,
    show: ({ id }) => html`<bf-captured .open=${id}></bf-captured>`,
  },
  {
    name: "broadcasts",
    title: "Broadcasts",
    isMain: false,
    show: ({ id }) => html`<bf-broadcasts .open=${id}></bf-broadcasts>`,
    load: () => import("./views/broadcasts.ts"),
  },
  {
    name: "schedules",
    title: "Schedules",
    isMain: false,
    show: ({ id }) => html`<bf-schedules .open=${id}></bf-schedules>`,
  },
  {
    name: "types",
    title: "Types",
    isMain: false,
    show: ({ id }) => html`<bf-types .open=${id}></bf-types>`,
  },
  {
    name: "simulator",
    title: "Simulator",
    isMain: false,
    show: () => html`<bf-simulator></bf-simulator>`,
  },
];
