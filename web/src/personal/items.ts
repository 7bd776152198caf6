/** Items of a list by the page's own `<template data-sp-item>`: texts stay texts. */

import type { Entry } from "../details";
import { ADDRESS, clean } from "./html";

/**
 * A template's nodes for one item: `{title}` in its texts and attributes stands for that member. In an
 * address a member is encoded, unless it is the whole address, which then has to be one of the web.
 */
export function itemNodes(template: HTMLTemplateElement, item: Entry): Node[] {
  // Not imported yet: no picture is loaded, and no element of the page's own is made, by a `{…}`.
  const copy = template.content.cloneNode(true) as DocumentFragment;
  const known: Entry = { title: item.item_id, ...item };
  const fill = (node: { nodeName: string; nodeValue: string | null }) => {
    const text = node.nodeValue ?? "";
    node.nodeValue = text.replace(/\{(\w+)\}/g, (place, name: string) => {
      const value = String(known[name] ?? "");
      return ADDRESS.test(node.nodeName) && place !== text ? encodeURIComponent(value) : value;
    });
  };
  // Before: what an item is called must not become code. After: nor its address.
  clean(copy);
  const walker = document.createTreeWalker(copy, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) fill(walker.currentNode);
  for (const element of copy.querySelectorAll("*")) for (const attribute of element.attributes) fill(attribute);
  clean(copy);
  for (const { dataset } of copy.children as HTMLCollectionOf<HTMLElement>) dataset.itemId = known.item_id as string;
  return [...copy.childNodes];
}
