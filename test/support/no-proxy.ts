// A machine's proxy is for what lies outside of it, and is not asked for what is nowhere.
const { no_proxy: lower, NO_PROXY: others = lower } = process.env;
const own = [others, "127.0.0.1", "localhost", ".invalid"].filter(Boolean).join();
Object.assign(process.env, { no_proxy: own, NO_PROXY: own });
