import { MongoBackend } from "@agendajs/mongo-backend";
import { Agenda } from "agenda";
import { connect, startService } from "../shared/service.js";

const client = await connect();
const agenda = new Agenda({ backend: new MongoBackend({ mongo: client.db() }) });
await agenda.ready;
const jobs = client.db().collection("agendaJobs");
// `unique` looks for each new job by this field; the other one is the README's advice for thousands of jobs.
await jobs.createIndex({ "data.id": 1 });
await jobs.createIndex({ name: 1, disabled: 1, lockedAt: 1 }, { name: "findAndLockDeadJobs" });

await startService(
  client,
  (mail) =>
    agenda
      .create("mail", mail)
      .unique({ "data.id": mail.id }, { insertOnly: true })
      .schedule(new Date())
      .save(),
  async () => {},
);
