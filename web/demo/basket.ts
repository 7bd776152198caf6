/** The basket, in the tab's own storage: necessary for the shop, and no identifier. */

import { byId, type Product } from "./products";

export interface BasketLine {
  product: Product;
  quantity: number;
}

const NAME = "shop.basket";

function stored(): Record<string, number> {
  return JSON.parse(sessionStorage.getItem(NAME) ?? "{}") as Record<string, number>;
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
  sessionStorage.setItem(NAME, JSON.stringify(basket));
}

export const empty = () => sessionStorage.removeItem(NAME);
export const count = () => lines().reduce((sum, line) => sum + line.quantity, 0);
export const total = () => lines().reduce((sum, { product, quantity }) => sum + product.price * quantity, 0);
