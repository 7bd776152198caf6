/** What the shop tells its data layer, in GA4's words, as any shop would for its tag manager. */

import type { BasketLine } from "./basket";

export function tell(event: string, currency: string, bought: BasketLine[], more: Record<string, string> = {}): void {
  const items = bought.map(({ item, quantity }) => ({
    item_id: item.id,
    item_name: item.name,
    item_category: item.kind,
    price: item.price,
    quantity,
  }));
  (window.dataLayer ??= []).push({ event, ecommerce: { currency, items, ...more } });
}
