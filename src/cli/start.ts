export const start = {
  usage: "start",
  description: "Start the service, as `npm start` does",
  options: {},
  examples: ["belfry start", "PORT=8080 DB_URI=mongodb://127.0.0.1/app belfry start"],
  async run(): Promise<void> {
    // The service itself takes no arguments.
    process.argv.splice(2);
    await import("../main.ts");
  },
};
