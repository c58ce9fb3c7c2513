import { inGroup, type SettingsOf } from "../../config/variable.ts";
import type { Check, ProviderModule, ServiceSettings } from "../module.ts";
import { webhook as rules } from "./channel.ts";
import { createUrlCheck, type GuardOptions, loopback, parseNetwork } from "./guard.ts";
import { createWebhookProvider } from "./send.ts";
import { webhookKey } from "./signature.ts";

const webhook = inGroup(rules.label);

const variables = {
  WEBHOOK_URL: webhook.url(
    { description: "Webhook of users that have none of their own.", secret: true },
    ["https", "http"],
    { query: true },
  ),
  WEBHOOK_SECRET: webhook.list(
    "one whsec_<base64>, or two during a rotation",
    { description: "Secret that signs calls to WEBHOOK_URL.", secret: true },
    (secret) => (webhookKey(secret) ? undefined : "must be whsec_ and the base64 of 24 to 64 bytes"),
  ),
  WEBHOOK_ALLOW_HTTP: webhook.flag({
    description: "`on` allows http:// webhooks beside https://.",
    default: "off",
  }),
  WEBHOOK_ALLOW_NETWORKS: webhook.list(
    "networks such as 10.1.0.0/16, separated by commas",
    { description: "Private networks that webhooks may call." },
    (text) => (parseNetwork(text) ? undefined : "must be networks such as 10.1.0.0/16 or fd00::/8"),
  ),
  WEBHOOK_PORTS: webhook.list(
    "port numbers, separated by commas",
    { description: "Ports that webhooks may call.", default: "80,443" },
    (port) =>
      /^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65535
        ? undefined
        : "must be port numbers from 1 to 65535",
  ),
  WEBHOOK_RATE: webhook.rate({ description: "Most webhook calls, per process." }),
};

type WebhookSettings = SettingsOf<typeof variables> & Pick<ServiceSettings, "CLOCK">;

/** Calls users' webhooks. It needs no configuration: the target belongs to the user. */
export const webhookCalls = {
  name: "webhook",
  variables,
  rate: "WEBHOOK_RATE",
  problems({ config, isSet, wrong }: Check<WebhookSettings>) {
    const { WEBHOOK_URL: url, WEBHOOK_SECRET: secrets = [] } = config;
    const problems: string[] = [];
    if (isSet("WEBHOOK_URL") !== isSet("WEBHOOK_SECRET"))
      problems.push("WEBHOOK_URL: needs WEBHOOK_SECRET and the other way round: set both or neither");
    if (secrets.length > 2)
      problems.push("WEBHOOK_SECRET: must be at most two secrets, the new one and the old one");
    const hasRules = !wrong.has("WEBHOOK_PORTS") && !wrong.has("WEBHOOK_ALLOW_NETWORKS");
    const problem = url !== undefined && hasRules ? createUrlCheck(webhookRules(config))(url) : undefined;
    if (problem !== undefined) problems.push(`WEBHOOK_URL: ${problem}`);
    return problems;
  },
  open: (config: WebhookSettings & ServiceSettings, now: () => number) =>
    createWebhookProvider({ ...webhookRules(config), timeoutMs: config.PROVIDER_TIMEOUT_MS, now }),
} satisfies ProviderModule;

/** The URLs that webhooks may call. */
export function webhookRules(config: WebhookSettings): GuardOptions {
  const localOnly = config.CLOCK === "virtual";
  return {
    allowHttp: config.WEBHOOK_ALLOW_HTTP,
    allowNetworks: [...(config.WEBHOOK_ALLOW_NETWORKS ?? []), ...(localOnly ? loopback : [])],
    localOnly,
    ports: config.WEBHOOK_PORTS.map(Number),
  };
}
