/** The basket, in the tab's own storage: necessary for the shop, and no identifier. */

import { byId, type Product } from "./products";

export interface BasketLine {
  product: Product;
  quantity: number;
}

const NAME = "shop.basket";

/** What the page keeps where storage is forbidden. */
let memory = "{}";

function stored(): Record<string, number> {
  try {
    return JSON.parse(sessionStorage.getItem(NAME) ?? memory) as Record<string, number>;
  } catch {
    return JSON.parse(memory) as Record<string, number>;
  }
}

function store(basket: Record<string, number>): void {
  memory = JSON.stringify(basket);
  try {
    sessionStorage.setItem(NAME, memory);
  } catch {
    // It lasts as long as the page.
  }
}

export function lines(): BasketLine[] {
  return Object.entries(stored()).flatMap(([id, quantity]) => {
    const product = byId(id);
    return product ? [{ product, quantity }] : [];
  });
}

export function change(id: string, by: number): void {
  const basket = stored();
  basket[id] = (basket[id] ?? 0) + by;
  if (basket[id] <= 0) delete basket[id];
  store(basket);
}

export const empty = () => store({});
export const count = () => lines().reduce((sum, line) => sum + line.quantity, 0);
export const total = () => lines().reduce((sum, { product, quantity }) => sum + product.price * quantity, 0);
