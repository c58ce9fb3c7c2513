/** Room between the panel and the bell, and the edges of the window, in pixels. */
const gap = 8;

/**
 * Puts the panel below the bell, or above it when there is more room there, aligned so that it reaches into the window.
 * It uses CSSOM, which a strict Content-Security-Policy allows.
 */
export function placeAt(bell: Element, panel: HTMLElement): void {
  const at = bell.getBoundingClientRect();
  const { clientWidth: width, clientHeight: height } = document.documentElement;
  const below = height - at.bottom - 2 * gap;
  const above = at.top - 2 * gap;
  const isBelow = below >= above || below >= 480;
  const isLeft = at.left + at.right < width;
  const edge = isLeft ? `${at.left}px` : `${at.right}px - var(--bf-width)`;
  // The width is the stylesheet's, and cannot be measured before the panel is shown. On a phone the stylesheet overrides this.
  const place = {
    left: `max(${gap}px, min(${edge}, 100% - var(--bf-width) - ${gap}px))`,
    top: isBelow ? `${at.bottom + gap}px` : "auto",
    bottom: isBelow ? "auto" : `${height - at.top + gap}px`,
    room: `${Math.max(160, isBelow ? below : above)}px`,
  };
  for (const [name, value] of Object.entries(place))
    if (panel.style.getPropertyValue(`--${name}`) !== value) panel.style.setProperty(`--${name}`, value);
}

/** Keeps it there while things move in the page, until the returned function is called. */
export function keepAt(bell: Element, panel: HTMLElement): () => void {
  let frame = 0;
  const place = () => {
    placeAt(bell, panel);
    frame = requestAnimationFrame(place);
  };
  place();
  return () => cancelAnimationFrame(frame);
}
