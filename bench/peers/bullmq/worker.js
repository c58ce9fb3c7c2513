import { Worker } from "bullmq";
import { createMailer } from "../shared/mailer.js";
import { connect } from "../shared/service.js";

const client = await connect();
const mailer = createMailer(client.db());
const worker = new Worker("mail", (job) => mailer.send(job.data), {
  connection: { host: "127.0.0.1", port: Number(process.env.REDIS_PORT) },
  concurrency: Number(process.env.CONCURRENCY),
});
worker.on("error", (error) => process.stderr.write(`worker: ${error.message}\n`));

process.once("SIGTERM", async () => {
  await worker.close();
  mailer.close();
  await client.close();
});
await worker.waitUntilReady();
process.stdout.write("ready\n");
