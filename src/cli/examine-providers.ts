import { pino } from "pino";
import type { Config } from "../config/table.ts";
import { openLines } from "../lines.ts";
import { SendError } from "../model/delivery.ts";
import { type Finding, providerWords, withoutSecrets } from "./finding.ts";
import { watched } from "./terminal.ts";

const brokerPatienceMs = 5_000;

/** Logs in to each provider that can be asked without sending. */
export async function* examineProviders(config: Config): AsyncGenerator<Finding> {
  const lines = await openLines(config, {
    capture: async () => [],
    now: Date.now,
    log: pino({ level: "silent" }),
  });
  for (const [channel, all] of Object.entries(lines)) {
    for (const { provider } of all) {
      const what = `${channel}: ${provider.name}`;
      if (provider.name === "capture")
        yield {
          verdict: "note",
          what,
          text: "nothing is sent: messages are captured, and shown in the console",
          advice: `To send, set ${channel === "email" ? "SMTP_HOST, or Mailgun's variables" : "Twilio's variables"}.`,
        };
      else if (provider.verify) {
        const failure = await watched(`asking ${provider.name}`, provider.verify()).catch(
          (error: unknown) => error,
        );
        yield failure === undefined
          ? { verdict: "ok", what, text: "answers, and accepts our login" }
          : { verdict: "bad", what, ...refusalOf(failure, provider.name) };
      } else yield { verdict: "ok", what, text: "configured (it cannot be asked without sending)" };
      await provider.close();
    }
  }
  yield* examineNewUsers(config);
}

/** A provider is configured, and a new user has no address: then nothing is ever sent, without an error. */
function* examineNewUsers(config: Config): Generator<Finding> {
  const missing = [
    { name: "EMAIL", isMissing: sendsMail(config) && config.EMAIL === undefined, field: "email" },
    {
      name: "RECEIVER_PHONE_NUMBER",
      isMissing: config.TWILIO_SID !== undefined && config.RECEIVER_PHONE_NUMBER === undefined,
      field: "phone",
    },
  ];
  for (const { name, isMissing, field } of missing)
    if (isMissing)
      yield {
        verdict: "note",
        what: name,
        text: `not set: deliveries to users without ${field === "email" ? "an e-mail address" : "a phone number"} are skipped`,
        advice: `Give each user one: PUT /v1/users/{id} with \`${field}\`. Or set ${name}, and new users get that one.`,
      };
}

const sendsMail = ({ SMTP_HOST, MAILGUN_API_KEY }: Config): boolean =>
  SMTP_HOST !== undefined || MAILGUN_API_KEY !== undefined;

/** The provider's own words, and what to do. */
function refusalOf(failure: unknown, name: string): Pick<Finding, "text" | "advice"> {
  if (!(failure instanceof SendError)) return { text: String(failure) };
  const { outcome } = failure;
  const variables = name.toUpperCase();
  return {
    text: providerWords(outcome.code, outcome.text),
    advice:
      outcome.kind === "misconfigured"
        ? outcome.remedy
        : `Check ${variables}_HOST, ${variables}_PORT and ${variables}_TLS, and that this machine may connect there.`,
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
