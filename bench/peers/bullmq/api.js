import { Queue } from "bullmq";
import { connect, startService } from "../shared/service.js";

const queue = new Queue("mail", {
  // A request fails at once while Redis is away (docs: patterns/failing-fast-when-redis-is-down).
  connection: { host: "127.0.0.1", port: Number(process.env.REDIS_PORT), enableOfflineQueue: false },
  defaultJobOptions: {
    attempts: 6,
    backoff: { type: "exponential", delay: 10_000 },
    // docs: guide/queues/auto-removal-of-jobs
    removeOnComplete: { age: 3600, count: 1000 },
    removeOnFail: { age: 24 * 3600 },
  },
});
queue.on("error", (error) => process.stderr.write(`queue: ${error.message}\n`));
await queue.waitUntilReady();

await startService(
  await connect(),
  // A job with an id that the queue has already is ignored (docs: guide/jobs/job-ids).
  (mail) => queue.add("mail", mail, { jobId: mail.id }),
  () => queue.close(),
);
