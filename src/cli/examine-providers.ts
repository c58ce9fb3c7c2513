import { canSend, channels } from "../channels/index.ts";
import type { ProviderModule, Settings } from "../channels/module.ts";
import { openProviders } from "../channels/open.ts";
import type { Config } from "../config/table.ts";
import { SendError } from "../model/delivery.ts";
import { type Finding, providerWords, withoutSecrets } from "./finding.ts";
import { watched } from "./terminal.ts";

const brokerPatienceMs = 5_000;

/** Logs in to each provider that can be asked without sending. */
export async function* examineProviders(config: Config): AsyncGenerator<Finding> {
  const opened = await openProviders(config, async () => [], Date.now);
  for (const { rules: channel, providers } of opened)
    for (const { provider } of providers) {
      const what = `${channel.name}: ${provider.name}`;
      const module = channel.providers.find(({ name }) => name === provider.name);
      if (!module)
        yield {
          verdict: "note",
          what,
          text: "nothing is sent: messages are captured, and shown in the console",
          advice: `To send, set ${channel.capture?.toSend}.`,
        };
      else if (provider.verify) {
        const failure = await watched(`asking ${provider.name}`, provider.verify()).catch(
          (error: unknown) => error,
        );
        yield failure === undefined
          ? { verdict: "ok", what, text: "answers, and accepts our login" }
          : { verdict: "bad", what, ...refusalOf(failure, module) };
      } else yield { verdict: "ok", what, text: "configured (it cannot be asked without sending)" };
      await provider.close();
    }
  yield* examineNewUsers(config);
}

/** A provider is configured, and a new user has no address: then nothing is ever sent, without an error. */
function* examineNewUsers(config: Config): Generator<Finding> {
  for (const channel of channels) {
    if (!channel.newUser || !canSend(channel, config)) continue;
    const { variable, field, words } = channel.newUser;
    if ((config as Settings)[variable] === undefined)
      yield {
        verdict: "note",
        what: variable,
        text: `not set: deliveries to users without ${words} are skipped`,
        advice: `Give each user one: PUT /v1/users/{id} with \`${field}\`. Or set ${variable}, and new users get that one.`,
      };
  }
}

/** The provider's own words, and what to do. */
function refusalOf(failure: unknown, { unreachable = "" }: ProviderModule): Pick<Finding, "text" | "advice"> {
  if (!(failure instanceof SendError)) return { text: String(failure) };
  const { outcome } = failure;
  return {
    text: providerWords(outcome.code, outcome.text),
    advice: outcome.kind === "misconfigured" ? outcome.remedy : unreachable,
  };
}

export async function examineBroker(url: string): Promise<Finding> {
  const { Connection } = await import("rabbitmq-client");
  const connection = new Connection({
    url,
    connectionName: "belfry doctor",
    connectionTimeout: brokerPatienceMs,
  });
  let reason = "no answer";
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = (error) => {
      reason = withoutSecrets(error.message);
      reject(error);
    };
  });
  connection.on("error", fail);
  // When the other side does not speak AMQP, rabbitmq-client 5.0.8 throws inside its socket's events.
  process.on("uncaughtException", fail);
  try {
    const connected = new Promise<void>((resolve) => connection.on("connection", resolve));
    await watched("connecting to RabbitMQ", Promise.race([connected, failed]));
    return { verdict: "ok", what: "RabbitMQ", text: "answers, and accepts our login" };
  } catch {
    return {
      verdict: "bad",
      what: "RabbitMQ",
      text: reason,
      advice: /certificate|self-signed|CERT_/i.test(reason)
        ? "The certificate is not trusted: set NODE_EXTRA_CA_CERTS to a file with the authority that signed it."
        : "Check AMQP_URL. Nothing is lost meanwhile: workers find deliveries in MongoDB.",
    };
  } finally {
    connection.unsafeDestroy();
    process.off("uncaughtException", fail);
  }
}
