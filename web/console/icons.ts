import { html, svg, type TemplateResult } from "lit";

/** 20 px, in the colour of the text around it. */
const icon = (inner: TemplateResult): TemplateResult =>
  html`<svg class="icon" viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">${inner}</svg>`;

/** A bell in the arch of its tower. */
export const mark = html`<svg class="mark" viewBox="0 0 28 32" width="28" height="32" aria-hidden="true">
  <path class="arch" d="M2 31V14a12 12 0 0 1 24 0v17" />
  <path class="sill" d="M0 31h28" />
  <path class="bell" d="M14 8v2m-6.5 13.5h13c-1.6-1.3-2-3-2-5.6 0-4.6-1.4-7.4-4.5-7.4s-4.5 2.8-4.5 7.4c0 2.6-.4 4.3-2 5.6zm4.7 1.7a1.9 1.9 0 0 0 3.6 0" />
</svg>`;

export const icons: Record<string, TemplateResult> = {
  send: icon(svg`<path d="M3 10h10M9 5.5l4.5 4.5L9 14.5M17 4v12" />`),
  users: icon(
    svg`<circle cx="10" cy="6.5" r="3" /><path d="M3.5 17c.6-3.8 3-5.5 6.5-5.5s5.9 1.7 6.5 5.5" />`,
  ),
  deliveries: icon(svg`<path d="M3 4.5h2M3 10h2M3 15.5h2M8 4.5h9M8 10h9M8 15.5h6" />`),
  captured: icon(svg`<path d="M2.5 5h15v10.5h-15zM2.5 5.5l7.5 5.5 7.5-5.5" />`),
  live: icon(svg`<path d="M2 11h4l2.5-6.5L12 16l2.2-5H18" />`),
  broadcasts: icon(svg`<path d="M3 8.5v3l2.5.5L8 17h2l-1.5-4.5L16 15V5L5.5 8z" />`),
  schedules: icon(svg`<circle cx="10" cy="10" r="7.2" /><path d="M10 5.5V10l3.2 2" />`),
  types: icon(svg`<path d="M3 3.5h6l8 8-5.5 5.5-8.5-8.5z" /><circle cx="6.5" cy="6.8" r=".8" />`),
  simulator: icon(svg`<path d="M6 3.5v13l10-6.5z" />`),
  more: icon(svg`<path d="M3 6h14M3 10h14M3 14h14" />`),
};

/** Each state has a shape of its own, not only a colour. */
const shapes: Record<string, TemplateResult> = {
  pending: svg`<circle cx="6" cy="6" r="4.2" />`,
  sending: svg`<circle cx="6" cy="6" r="4.2" /><path class="full" d="M6 1.8a4.2 4.2 0 0 1 0 8.4z" />`,
  sent: svg`<circle class="full" cx="6" cy="6" r="4.2" />`,
  delivered: svg`<circle class="full" cx="6" cy="6" r="5.2" /><path class="cut" d="M3.6 6.2l1.7 1.7 3.2-3.6" />`,
  failed: svg`<path d="M2.2 2.2l7.6 7.6m0-7.6L2.2 9.8" />`,
  skipped: svg`<path d="M1.5 6h6m-2.6-3L8 6 4.9 9M10.5 2.5v7" />`,
  canceled: svg`<circle cx="6" cy="6" r="4.2" /><path d="M3 9l6-6" />`,
  held: svg`<path d="M2 3h8v6H2zM2 6h8" />`,
  digested: svg`<path class="full" d="M2 3h8v6H2z" />`,
  recalled: svg`<path d="M9.8 9.5V6.4a2 2 0 0 0-2-2H2.4M5 1.6L2.2 4.4 5 7.2" />`,
  uncertain: svg`<path d="M3.5 4.2c.2-3 5-3 5 0 0 1.9-2.5 1.7-2.5 3.6M6 10.2v.6" />`,
};

export const stateMark = (state: string): TemplateResult =>
  html`<svg class="state-mark is-${state}" viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">${
    shapes[state] ?? shapes.pending
  }</svg>`;

/** The mark and the state's name. */
export const stateLabel = (state: string): TemplateResult =>
  html`<span class="state is-${state}">${stateMark(state)}${state}</span>`;
