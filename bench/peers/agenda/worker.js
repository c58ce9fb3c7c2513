import { MongoBackend } from "@agendajs/mongo-backend";
import { Agenda, backoffStrategies } from "agenda";
import { createMailer } from "../shared/mailer.js";
import { connect } from "../shared/service.js";

const concurrency = Number(process.env.CONCURRENCY);
const client = await connect();
const db = client.db();
const mailer = createMailer(db);
const agenda = new Agenda({
  backend: new MongoBackend({ mongo: db }),
  maxConcurrency: concurrency,
  // Milliseconds. A change stream instead (MongoChangeStreamNotificationChannel) sends fewer mails a second.
  processEvery: 200,
});
agenda.on("error", (error) => process.stderr.write(`agenda: ${error.message}\n`));
agenda.define("mail", (job) => mailer.send(job.attrs.data), {
  concurrency,
  lockLifetime: Number(process.env.LOCK_MS),
  backoff: backoffStrategies.exponential({ delay: 10_000, factor: 2, maxRetries: 5 }),
});
await agenda.start();

process.once("SIGTERM", async () => {
  await agenda.drain();
  await agenda.stop();
  mailer.close();
  await client.close();
});
process.stdout.write("ready\n");
