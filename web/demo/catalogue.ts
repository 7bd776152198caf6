/** What the shop sells: a lake's products with `sparkperso shop`, else those of these pages. */

import { PRODUCTS, picture } from "./products";

export interface Item {
  id: string;
  name: string;
  kind: string;
  price: number;
  text: string;
  /** As HTML. */
  picture: string;
}

/** Whom a visitor of the demo may sign in as. */
export interface Customer {
  user_id: string;
  label: string;
}

/** What /demo/api/config says; `api` and `currency` are null without a lake. */
export interface Shop {
  api: string | null;
  token_url: string;
  customers: Customer[];
  currency: string | null;
}

export interface Catalogue {
  /** What stands on the first page. */
  first(): Promise<Item[]>;
  find(id: string): Promise<Item | undefined>;
  search(query: string): Promise<Item[]>;
  /** Kinds of products that the first page leads to. */
  kinds: string[];
  money(value: number): string;
}

const SIGNS: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
export const safe = (text: string) => text.replace(/[&<>"]/g, (sign) => SIGNS[sign] ?? "");

const own: Item[] = PRODUCTS.map((product) => ({ ...product, picture: picture(product) }));

export const ownCatalogue: Catalogue = {
  first: async () => own,
  find: async (id) => own.find((item) => item.id === id),
  search: async (query) => {
    const sought = query.toLowerCase();
    return own.filter(({ name, kind, text }) => `${name} ${kind} ${text}`.toLowerCase().includes(sought));
  },
  kinds: ["Light", "Kitchen", "Living", "Desk"],
  money: (value) => `€${value.toFixed(2)}`,
};

/** A product as /demo/api/products has it. */
interface Sold {
  item_id: string;
  title: string;
  category: string | null;
  price: number | null;
}

/** The products of a lake. Where they cannot be had there are none, and the page stands without. */
export function lakeCatalogue(currency: string): Catalogue {
  const known = new Map<string, Item>();
  const get = async (query: string): Promise<Item[]> => {
    try {
      const answer = await fetch(`/demo/api/products${query}`);
      const { products } = (await answer.json()) as { products: Sold[] };
      const items = products.map(itemOf);
      for (const item of items) known.set(item.id, item);
      return items;
    } catch {
      return [];
    }
  };
  const { format } = new Intl.NumberFormat("en-GB", { style: "currency", currency });
  return {
    first: () => get(""),
    find: async (id) => known.get(id) ?? (await get(`?ids=${encodeURIComponent(id)}`))[0],
    search: (query) => get(`?q=${encodeURIComponent(query)}`),
    kinds: ["Candles", "Kitchen", "Bags", "Stationery"],
    money: format,
  };
}

const itemOf = ({ item_id, title, category, price }: Sold): Item => ({
  id: item_id,
  name: title,
  kind: (category ?? "").replace(/_/g, " "),
  price: price ?? 0,
  text: "From the order book of an English gift shop: a real product, under its real title.",
  picture: `<img class="art" src="/demo/api/pictures/${encodeURIComponent(item_id)}" width="200" height="200" alt="">`,
});
