import { svg } from "lit";

const icon = (paths: ReturnType<typeof svg>) =>
  svg`<svg viewBox="0 0 24 24" width="20" height="20" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">${paths}</svg>`;

/** It hangs from its beam. */
export const bell = icon(svg`
  <path d="M7 3h10"/>
  <g class="swing"><path d="M12 3v2.4"/><path d="M6.2 17.4c1.1-1.5 1.6-3.3 1.6-5.9 0-3.5 1.7-6.1 4.2-6.1s4.2 2.6 4.2 6.1c0 2.6.5 4.4 1.6 5.9z"/><path d="M4.8 17.4h14.4"/></g>
  <path class="clapper" d="M10.3 20a1.8 1.8 0 0 0 3.4 0"/>`);
export const check = icon(svg`<path d="m5 12.8 4.4 4.4L19 7.4"/>`);
export const checks = icon(svg`<path d="m2.5 12.8 4.2 4.2 8.6-9"/><path d="m12.4 15.4 1.7 1.6 8-8.6"/>`);
export const dot = icon(svg`<circle cx="12" cy="12" r="4.2"/>`);
export const archive = icon(
  svg`<path d="M4 5h16v4H4z"/><path d="M5.5 9v10h13V9"/><path d="m9.5 13.5 2.5 2.5 2.5-2.5M12 16v-4.6"/>`,
);
export const unarchive = icon(
  svg`<path d="M4 5h16v4H4z"/><path d="M5.5 9v10h13V9"/><path d="m9.5 14 2.5-2.5 2.5 2.5M12 11.5v4.6"/>`,
);
export const bin = icon(
  svg`<path d="M4.5 6.5h15M9.5 6.5v-2h5v2M6.5 6.5l.8 13h9.4l.8-13M10.3 10.5v5.2M13.7 10.5v5.2"/>`,
);
export const gear = icon(
  svg`<circle cx="12" cy="12" r="3"/><path d="M12 3v3M12 18v3M3 12h3M18 12h3M5.6 5.6l2.2 2.2M16.2 16.2l2.2 2.2M18.4 5.6l-2.2 2.2M7.8 16.2l-2.2 2.2"/>`,
);
export const back = icon(svg`<path d="m14.5 5.5-6.5 6.5 6.5 6.5"/>`);
export const cross = icon(svg`<path d="m6.5 6.5 11 11M17.5 6.5l-11 11"/>`);
export const screen = icon(svg`<path d="M3.5 5h17v11h-17z"/><path d="M9 20h6M12 16v4"/>`);
export const screenOn = icon(
  svg`<path d="M3.5 5h17v11h-17z" fill="currentColor" fill-opacity=".25"/><path d="M9 20h6M12 16v4"/><path d="m8.8 10.6 2.2 2.2 4.2-4.4"/>`,
);
