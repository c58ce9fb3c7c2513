import { type Context, type Liquid, type Template, toValueSync, Value } from "liquidjs";
import type { Locales } from "./locales.ts";

/** The user's locale. It is not read from the variable `user`, to which a template may assign something else. */
export const localeRegister = "belfry.locale";

type Filter = { context: Context; liquid: Liquid };

/**
 * `{{ "invoice.subject" | t: number: data.number }}`: the text in the user's language. In HTML its output is escaped like
 * any other. `t_html` is for texts with markup of their own: there only the values are escaped.
 */
export function addTranslations(engine: Liquid, locales: Locales): void {
  const escaped = engine.filters.escape as (this: Filter, value: unknown) => string;
  const filter = (write: (this: Filter, value: unknown) => string) =>
    function (this: Filter, key: unknown, ...values: unknown[]): string {
      const named = new Map(values.filter((one): one is [string, unknown] => Array.isArray(one)));
      const locale = this.context.getRegister(localeRegister) as string | undefined;
      return locales.translate(locale, written(key), named, (value) => {
        const text = write.call(this, value);
        this.context.memoryLimit.use(text.length);
        return text;
      });
    };
  engine.registerFilter("t", filter(written));
  if (engine.options.outputEscape)
    engine.registerFilter("t_html", {
      raw: true,
      handler: filter(function (value) {
        return escaped.call(this, written(value));
      }),
    });
}

/** Formats a value as Liquid does. */
export function written(value: unknown): string {
  if (value === undefined || value === null) return "";
  return Array.isArray(value) ? value.map(written).join("") : String(value);
}

/** A use of `t` or `t_html` in a template. */
export interface Use {
  /** The key, or its beginning when the rest comes from a value. */
  key: string;
  isWhole: boolean;
  /** Names of the values that it gives. */
  values: ReadonlySet<string>;
}

/** Every translated text of a template, also in branches that this user does not get. */
export function usesIn(templates: Template[]): Use[] {
  return templates.flatMap((template) => [
    ...[...(template.arguments?.() ?? [])].flatMap((one) => (one instanceof Value ? usesOf(one) : [])),
    ...usesIn((template.children && toValueSync(template.children(false, true))) ?? []),
  ]);
}

function usesOf({ initial, filters }: Value): Use[] {
  return filters.flatMap(({ name, args }, at) => {
    if (name !== "t" && name !== "t_html") return [];
    const [first, ...others] = initial.postfix as Array<{ content?: unknown }>;
    const key = others.length === 0 && typeof first?.content === "string" ? first.content : "";
    const before = filters.slice(0, at).map((one) => one.name);
    const values = new Set(args.flatMap((one) => (Array.isArray(one) ? [String(one[0])] : [])));
    if (before.length === 0) return [{ key, isWhole: key !== "", values }];
    return [{ key: before.every((one) => one === "append") ? key : "", isWhole: false, values }];
  });
}
