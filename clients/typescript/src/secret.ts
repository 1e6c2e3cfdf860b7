/** A key or secret that no log shows: printing, inspecting and serialising it give `[secret]`. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The secret itself, for whatever keeps or sends it. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return "[secret]";
  }

  toJSON(): string {
    return "[secret]";
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return "[secret]";
  }
}

/** The text of what may be wrapped. */
export function revealed(value: string | Secret): string {
  return typeof value === "string" ? value : value.reveal();
}
