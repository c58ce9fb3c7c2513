import { execFileSync } from "node:child_process";

/**
 * Writes a TypeScript type for each titled schema of the OpenAPI document. `test/generated.test.ts` compares and renews the
 * files. Null is part of a type only in a patch, where it removes a field; elsewhere the service treats it as absent.
 */

interface Schema {
  title?: string;
  description?: string;
  type?: string | string[];
  enum?: string[];
  default?: unknown;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  items?: Schema;
  anyOf?: Schema[];
}
interface Operation {
  parameters?: Array<{ name: string; in: string; schema: Schema; description?: string }>;
}

/** Types of `belfry/client`; the console has the others. */
const clientTypes = [
  "ChannelRules",
  "NotificationBody",
  "ScheduledJob",
  "NotificationAnswer",
  "Job",
  "JobRecord",
  "JobPage",
  "ScheduledNotification",
  "ScheduleBody",
  "Schedule",
  "ZoneOccurrences",
  "ScheduleRecord",
  "SchedulePage",
  "DeliveryDecision",
  "Digest",
  "Delivery",
  "DigestList",
  "ExpectedDelivery",
  "DryRunAnswer",
  "RecallBody",
  "RecallReceipt",
  "RecallAnswer",
  "InboxAnswer",
  "ItemAnswer",
  "ReadAllAnswer",
  "ProfileBody",
  "ProfilePatch",
  "ProfileAnswer",
  "Preferences",
  "PreferencesPatch",
  "PreferencesAnswer",
  "PreferenceCell",
  "TokenAnswer",
  "InboxItem",
  "InboxState",
  "Topic",
  "TopicBody",
  "TopicDetails",
  "TopicPage",
  "Subscriber",
  "SubscriberPage",
  "SubscribersBody",
  "SubscribersChanged",
  "UserTopic",
  "UserTopicPage",
  "NotificationContent",
  "BroadcastBody",
  "Broadcast",
  "BroadcastDetails",
  "BroadcastPage",
  "BroadcastPreview",
];

/** An operator may define more notification types than the document lists. */
const isOpen = (parent: string, field: string): boolean =>
  ["NotificationBody", "NotificationContent", "ScheduledNotification"].includes(parent) && field === "type";

const head = "// Generated from openapi.json by `npm run generate`.\n";

export function wireTypes(document: { paths: Record<string, Record<string, object>> }) {
  const found = new Map<string, Schema>();
  collect(document.paths, found);
  const list = document.paths["/v1/users/{id}/inbox"]?.get as Operation;
  const query = (list.parameters ?? []).filter((one) => one.in === "query");
  const properties = Object.fromEntries(
    query.map(({ name, schema, description }) => [name, { ...schema, ...(description && { description }) }]),
  );
  const declare = (name: string) => declaration(name, found.get(name) as Schema, found);
  const others = [...found.keys()].filter((name) => !clientTypes.includes(name)).sort();
  return {
    client: formatted([declaration("InboxQuery", { properties }, found), ...clientTypes.map(declare)]),
    console: formatted([importOf(others.map(declare).join("\n")), ...others.map(declare)]),
  };
}

/** The client's types that the text uses. */
function importOf(text: string): string {
  const used = clientTypes.filter((name) => new RegExp(`\\b${name}\\b(?! \\{)`).test(text)).sort();
  return `import type { ${used.join(", ")} } from "../../src/client/wire.ts";\n`;
}

const formatted = (parts: string[]): string =>
  execFileSync("node_modules/.bin/biome", ["format", "--stdin-file-path=wire.ts"], {
    input: [head, ...parts].join("\n"),
    encoding: "utf8",
  });

function collect(value: unknown, found: Map<string, Schema>): void {
  if (typeof value !== "object" || value === null) return;
  const schema = value as Schema;
  if (typeof schema.title === "string" && schema.type !== undefined) {
    const text = JSON.stringify(found.get(schema.title) ?? schema);
    if (text !== JSON.stringify(schema)) throw new Error(`two schemas have the title ${schema.title}`);
    found.set(schema.title, schema);
  }
  for (const one of Object.values(value)) collect(one, found);
}

function declaration(name: string, schema: Schema, found: Map<string, Schema>): string {
  const part = [...found].find(([other, { properties }]) => other !== name && isPart(properties, schema));
  if (!part) return `export interface ${name} ${objectType(schema, name)}\n`;
  const own = Object.entries(schema.properties ?? {}).filter(([field]) => !part[1].properties?.[field]);
  const rest = { ...schema, properties: Object.fromEntries(own) };
  return `export interface ${name} extends ${part[0]} ${objectType(rest, name)}\n`;
}

/** Whether the schema has all of these fields and more. Fields of the same name are alike only if they are the same. */
function isPart(fields: Schema["properties"] = {}, { properties = {} }: Schema): boolean {
  const all = Object.entries(fields);
  return (
    all.length > 2 &&
    all.length < Object.keys(properties).length &&
    all.every(([field, one]) => JSON.stringify(one) === JSON.stringify(properties[field]))
  );
}

function objectType({ properties = {}, required = [] }: Schema, name = ""): string {
  const lines = Object.entries(properties).flatMap(([field, schema]) => {
    const optional = required.includes(field) && schema.default === undefined ? "" : "?";
    const notes = [schema.description, schema.default !== undefined && `Default: ${schema.default}.`];
    const note = notes.filter(Boolean).join(" ");
    const orNull = name.endsWith("Patch") && schema.type?.includes("null") ? " | null" : "";
    const type = isOpen(name, field) ? "string" : typeOf(schema) + orNull;
    const written = /^\w+$/.test(field) ? field : JSON.stringify(field);
    return [...(note ? [`/** ${note} */`] : []), `${written}${optional}: ${type};`];
  });
  return `{\n${lines.join("\n")}\n}`;
}

function typeOf(schema: Schema): string {
  const { title, type, enum: values, items, properties, additionalProperties } = schema;
  if (title) return title;
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" | ");
  if (Array.isArray(type)) return typeOf({ ...schema, type: type.find((one) => one !== "null") as string });
  if (values?.includes("true"))
    return ["boolean", ...literals(values.filter((one) => !/^(true|false)$/.test(one)))].join(" | ");
  if (values) return literals(values).join(" | ");
  if (type === "array") {
    const item = typeOf(items as Schema);
    return /^\w+$/.test(item) ? `${item}[]` : `Array<${item}>`;
  }
  if (type === "integer") return "number";
  if (type !== "object") return type as string;
  if (properties && Object.keys(properties).length > 0) return objectType(schema);
  const value = typeof additionalProperties === "object" ? typeOf(additionalProperties) : "unknown";
  return `Record<string, ${value}>`;
}

const literals = (values: string[]): string[] => values.map((one) => JSON.stringify(one));
