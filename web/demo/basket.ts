/** The basket, in the tab's own storage: necessary for the shop, and no identifier. */

import type { Item } from "./catalogue";

export interface BasketLine {
  item: Item;
  quantity: number;
}

const NAME = "shop.basket";

/** What the page keeps where storage is forbidden. */
let memory = "{}";

function stored(): Record<string, BasketLine> {
  try {
    return JSON.parse(sessionStorage.getItem(NAME) ?? memory) as Record<string, BasketLine>;
  } catch {
    return JSON.parse(memory) as Record<string, BasketLine>;
  }
}

function store(basket: Record<string, BasketLine>): void {
  memory = JSON.stringify(basket);
  try {
    sessionStorage.setItem(NAME, memory);
  } catch {
    // It lasts as long as the page.
  }
}

export const lines = (): BasketLine[] => Object.values(stored());

export function change(item: Item, by: number): void {
  const basket = stored();
  const quantity = (basket[item.id]?.quantity ?? 0) + by;
  basket[item.id] = { item, quantity };
  if (quantity <= 0) delete basket[item.id];
  store(basket);
}

export const empty = () => store({});
export const count = () => lines().reduce((sum, line) => sum + line.quantity, 0);
export const total = () => lines().reduce((sum, { item, quantity }) => sum + item.price * quantity, 0);
