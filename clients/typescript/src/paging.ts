/** Something that is read page by page: iterate over it for one after the other, over `pages()` for whole pages. */
export class Pages<Item> implements AsyncIterable<Item> {
  readonly #page: (cursor: string) => Promise<{ items: Item[]; next: string | null | undefined }>;

  constructor(page: (cursor: string) => Promise<{ items: Item[]; next: string | null | undefined }>) {
    this.#page = page;
  }

  async *pages(): AsyncGenerator<Item[], void, undefined> {
    let cursor: string | null | undefined = "";
    while (typeof cursor === "string") {
      const page: { items: Item[]; next: string | null | undefined } = await this.#page(cursor);
      yield page.items;
      cursor = page.next;
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    for await (const page of this.pages()) yield* page;
  }

  /** All of it, or the first `most`. */
  async toArray(most = Number.POSITIVE_INFINITY): Promise<Item[]> {
    const items: Item[] = [];
    for await (const item of this) {
      if (items.length >= most) break;
      items.push(item);
    }
    return items;
  }
}
