/** The page's `lang` at this place, also from outside of other tags' shadow roots. */
export function langAround(element: Element): string | undefined {
  const found = element.closest<HTMLElement>("[lang]");
  const root = element.getRootNode();
  return found?.lang || (root instanceof ShadowRoot ? langAround(root.host) : undefined);
}
