import "./console.css";
import "./shell.ts";
import "./views/send.ts";
import "./views/users.ts";
import "./views/deliveries.ts";
import "./views/captured.ts";
import "./views/types.ts";
import "./views/simulator.ts";
