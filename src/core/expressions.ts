import { type Context, type Liquid, type Token, Tokenizer, TokenKind, toValueSync, Value } from "liquidjs";
import { contextOf, type Variables } from "./templates.ts";

/** A parsed Liquid expression of a rule, such as `data.public == true`. */
export interface Expression {
  source: string;
  /** Whether it holds. Throws when it cannot be computed. */
  holds(scope: Variables): boolean;
  /** Its value as a text: JSON for what is no text. Throws when it cannot be computed. */
  text(scope: Variables): string;
}

/**
 * Parses strictly. Liquid itself ignores what it does not understand, and the expression would silently be false.
 * Throws an `Error` whose message says what is wrong.
 */
export function parseExpression(engine: Liquid, source: string): Expression {
  const tokenizer = new Tokenizer(source, engine.options.operators);
  const token = tokenizer.readFilteredValue();
  tokenizer.skipBlank();
  const rest = tokenizer.remaining();
  if (rest) throw new Error(`\`${rest}\` is left over`);
  const problem = problemIn(token.initial.postfix);
  if (problem) throw new Error(problem);
  const value = new Value(token, engine);
  const valueIn = (scope: Variables): unknown =>
    toValueSync(value.value(contextOf(engine, scope) as Context, true));
  return {
    source,
    holds(scope) {
      const result = valueIn(scope);
      return result !== false && result !== undefined && result !== null;
    },
    text(scope) {
      const result = valueIn(scope);
      return typeof result === "string" ? result : (JSON.stringify(result) ?? "");
    },
  };
}

/** The tokens are in postfix order: each operator takes the one or two values before it. */
function problemIn(tokens: readonly Token[]): string | undefined {
  let values = 0;
  for (const token of tokens) {
    const text = token.getText();
    if (token.kind === TokenKind.Operator) {
      const operands = text === "not" ? 1 : 2;
      if (values < operands) return `\`${text}\` has no value to compare`;
      values -= operands - 1;
    } else {
      const quote = text.charAt(0);
      if (/["']/.test(quote) && (text.length < 2 || !text.endsWith(quote))) return "a quote is not closed";
      values++;
    }
  }
  return values === 1 ? undefined : "two values need an operator between them, such as == or and";
}
