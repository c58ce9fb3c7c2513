/** A type for data that fits a JSON Schema, and the declarations that it needs: one for each target of a `$ref`. */
export interface SchemaType {
  type: string;
  declarations: string[];
}

type Schema = Record<string, unknown>;

/**
 * Translates a JSON Schema to TypeScript: the simple types, object with required and additionalProperties, array, enum,
 * const, nullable, anyOf, oneOf, allOf, and `$ref` within the schema. Everything else is `unknown`: data that fits the
 * schema always compiles. `prefix`: how names of declarations begin.
 */
export function typeOfSchema(root: object, prefix: string): SchemaType {
  const names = new Map<string, string>();
  const declarations: string[] = [];
  /** The declarations that are being written, up to the next object or array. TypeScript refuses one that is itself. */
  let enclosing: string[] = [];
  return { type: typeOf(root), declarations };

  function typeOf(schema: unknown): string {
    if (schema === false) return "never";
    if (!isObject(schema)) return "unknown";
    const { $ref, nullable, anyOf, oneOf, allOf } = schema;
    const all = [
      typeof $ref === "string" ? reference($ref) : "unknown",
      valueType(schema),
      ...[anyOf, oneOf].filter(Array.isArray).map((branches) => union(branches.map(typeOf))),
      ...(Array.isArray(allOf) ? allOf.map(typeOf) : []),
    ];
    const type = intersection(all);
    return nullable === true ? union([type, "null"]) : type;
  }

  function valueType(schema: Schema): string {
    if ("const" in schema) return literal(schema.const);
    if (Array.isArray(schema.enum)) return union(schema.enum.map(literal));
    const { type = schema.properties && "object" } = schema;
    return type === undefined ? "unknown" : union([type].flat().map((name) => simpleType(name, schema)));
  }

  function simpleType(name: unknown, schema: Schema): string {
    if (name === "object") return nested(() => objectType(schema));
    if (name === "array") return nested(() => arrayOf(schema.prefixItems ? "unknown" : typeOf(schema.items)));
    if (name === "integer") return "number";
    return ["string", "number", "boolean", "null"].includes(String(name)) ? String(name) : "unknown";
  }

  function objectType({
    properties,
    required,
    additionalProperties: more,
    patternProperties,
  }: Schema): string {
    const own = isObject(properties) ? properties : {};
    const needed = new Set(Array.isArray(required) ? required.map(String) : []);
    const fields = [...new Set([...Object.keys(own), ...needed])].map(
      (name) =>
        `${comment(own[name])}${fieldName(name)}${needed.has(name) ? "" : "?"}: ${typeOf(own[name])};`,
    );
    const isOpen = more === true || isObject(more) || patternProperties !== undefined;
    if (fields.length === 0) fields.push(`[name: string]: ${more === undefined ? "unknown" : typeOf(more)};`);
    // The other fields would have to fit it, too.
    else if (isOpen) fields.push("[name: string]: unknown;");
    return `{\n${fields.join("\n").replace(/^/gm, "  ")}\n}`;
  }

  function reference(pointer: string): string {
    const target = resolve(root, pointer);
    if (target === undefined) return "unknown";
    const known = names.get(pointer);
    if (known !== undefined) return enclosing.includes(known) ? "unknown" : known;
    const words = pointer.split(/~[01]|[^A-Za-z0-9]+/).at(-1) || "Root";
    const name = unique(prefix + capitalized(words), [...names.values()]);
    names.set(pointer, name);
    enclosing.push(name);
    const type = typeOf(target);
    enclosing.pop();
    declarations.push(`export type ${name} = ${type};`);
    return name;
  }

  function nested(write: () => string): string {
    const outside = enclosing;
    enclosing = [];
    const type = write();
    enclosing = outside;
    return type;
  }
}

/** `new_login` is `NewLogin`. */
export const capitalized = (text: string): string =>
  text.replace(/(?:^|[^A-Za-z0-9]+)([A-Za-z0-9]?)/g, (_, first: string) => first.toUpperCase());

export const fieldName = (name: string): string =>
  /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);

/** A comment with the description, if there is one. */
export function comment(schema: unknown): string {
  const text = isObject(schema) && typeof schema.description === "string" ? schema.description : "";
  return text && `/** ${text.replace(/\s+/g, " ").replaceAll("*/", "*\\/")} */\n`;
}

const isObject = (value: unknown): value is Schema =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const literal = (value: unknown): string =>
  typeof value === "object" && value !== null ? "unknown" : JSON.stringify(value);

const arrayOf = (item: string): string => (/^\w+$/.test(item) ? `${item}[]` : `Array<${item}>`);

function union(types: string[]): string {
  const all = [...new Set(types)].filter((type) => type !== "never");
  return all.includes("unknown") ? "unknown" : all.join(" | ") || "never";
}

function intersection(types: string[]): string {
  const all = [...new Set(types)].filter((type) => type !== "unknown");
  if (all.length < 2) return all[0] ?? "unknown";
  return all.map((type) => (type.includes(" | ") ? `(${type})` : type)).join(" & ");
}

export function unique(name: string, taken: string[]): string {
  let found = name;
  for (let count = 2; taken.includes(found); count++) found = `${name}${count}`;
  return found;
}

/** The part of the schema that a JSON pointer (`#/$defs/author`) leads to. */
function resolve(root: object, pointer: string): unknown {
  if (!pointer.startsWith("#")) return undefined;
  let at: unknown = root;
  for (const step of decodeURIComponent(pointer.slice(1)).split("/").slice(1)) {
    const name = step.replaceAll("~1", "/").replaceAll("~0", "~");
    at = typeof at === "object" && at !== null && Object.hasOwn(at, name) ? (at as Schema)[name] : undefined;
  }
  return at;
}
