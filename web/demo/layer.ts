/** What the shop tells its data layer, in GA4's words, as any shop would for its tag manager. */

import type { BasketLine } from "./basket";

export function tell(event: string, bought: BasketLine[], more: Record<string, string> = {}): void {
  const items = bought.map(({ product, quantity }) => ({
    item_id: product.id,
    item_name: product.name,
    item_category: product.kind,
    price: product.price,
    quantity,
  }));
  (window.dataLayer ??= []).push({ event, ecommerce: { currency: "EUR", items, ...more } });
}
