import { variables } from "./table.ts";

/** `config.example.env`: every variable with its sentence, form and default. */
export function exampleFile(): string {
  const lines = [
    "# Belfry's configuration. Copy this file to .env and change what you need; each line shows the default.",
    "# Quote a value that has blanks at its ends or a # after a blank: an unquoted blank and # begin a comment.",
  ];
  let group = "";
  for (const variable of variables) {
    if (variable.group !== group) {
      group = variable.group;
      lines.push("", `## ${group}`);
    }
    const also = variable.aliases ? ` Other names: ${variable.aliases.join(", ")}.` : "";
    const file = variable.secret ? ` ${variable.name}_FILE names a file with the value.` : "";
    lines.push(
      "",
      `# ${variable.description}${also}${file} (${variable.form})`,
      `# ${variable.name}=${variable.default}`,
    );
  }
  return `${lines.join("\n")}\n`;
}
