/** By property: its attribute, if it has one. */
const attributes = {
  user: "user",
  token: "token",
  getToken: undefined,
  tokenUrl: "token-url",
  server: "server",
  locale: "locale",
  theme: "theme",
  texts: "texts",
  headless: "headless",
} as const;
type Property = keyof typeof attributes;

/**
 * Properties with attributes, and one update for all changes of a moment. Lit's own element would be a fifth of the tag's
 * size.
 */
export abstract class Attributes extends HTMLElement {
  static readonly observedAttributes = Object.values(attributes).filter((name) => name !== undefined);
  readonly #values = new Map<Property, unknown>();
  readonly #changed = new Set<Property>();
  #update: Promise<void> | undefined;

  static {
    for (const name of Object.keys(attributes) as Property[])
      Object.defineProperty(Attributes.prototype, name, {
        get(this: Attributes) {
          return this.#values.get(name);
        },
        set(this: Attributes, value: unknown) {
          if (this.#values.get(name) === value) return;
          this.#values.set(name, value);
          this.#changed.add(name);
          if (name === "theme") this.#reflect(name, value);
          this.requestUpdate();
        },
      });
  }

  constructor() {
    super();
    // What a page set before this module was loaded hides the accessors.
    for (const name of Object.keys(attributes) as Property[])
      if (Object.hasOwn(this, name)) {
        const value = Reflect.get(this, name);
        Reflect.deleteProperty(this, name);
        Reflect.set(this, name, value);
      }
  }

  attributeChangedCallback(attribute: string, _before: string | null, value: string | null): void {
    const [name] = Object.entries(attributes).find(([, one]) => one === attribute) as [Property, string];
    const read =
      name === "headless" ? value !== null : name === "texts" ? this.readTexts(value) : (value ?? undefined);
    Reflect.set(this, name, read);
  }

  requestUpdate(): void {
    this.#update ??= Promise.resolve().then(() => {
      this.#update = undefined;
      const changed = new Set(this.#changed);
      this.#changed.clear();
      if (this.isConnected) this.update(changed);
    });
  }

  protected abstract readTexts(value: string | null): Record<string, unknown> | undefined;
  protected abstract update(changed: ReadonlySet<string>): void;

  #reflect(name: string, value: unknown): void {
    if (value === undefined || value === null) this.removeAttribute(name);
    else if (this.getAttribute(name) !== value) this.setAttribute(name, String(value));
  }
}
