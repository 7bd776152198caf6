package sparkperso

/** JSON of strings, booleans, finite numbers, null, maps with string keys, and iterables. */
internal object Json {
    /** Returns [value] as JSON; throws IllegalArgumentException for what JSON does not have. */
    fun write(value: Any?): String = StringBuilder().also { append(it, value) }.toString()

    private fun append(out: StringBuilder, value: Any?) {
        when (value) {
            null, is Boolean -> out.append(value)
            is CharSequence -> appendText(out, value)
            is Number -> out.append(number(value))
            is Map<*, *> -> appendAll(out, value.entries, '{', '}') { (key, inner) ->
                require(key is String) { "A key should be a string, not $key" }
                appendText(out, key)
                out.append(':')
                append(out, inner)
            }
            is Iterable<*> -> appendAll(out, value, '[', ']') { append(out, it) }
            else -> throw IllegalArgumentException("JSON has no ${value::class}")
        }
    }

    private fun <T> appendAll(
        out: StringBuilder, items: Iterable<T>, open: Char, close: Char, one: (T) -> Unit,
    ) {
        out.append(open)
        items.forEachIndexed { index, item ->
            if (index > 0) out.append(',')
            one(item)
        }
        out.append(close)
    }

    private fun number(value: Number): String {
        require(value.toDouble().isFinite()) { "JSON has no $value" }
        return value.toString()
    }

    private fun appendText(out: StringBuilder, text: CharSequence) {
        out.append('"')
        text.forEachIndexed { place, char ->
            when {
                char == '"' || char == '\\' -> out.append('\\').append(char)
                char < ' ' -> out.append("\\u%04x".format(char.code))
                isLoneHalf(text, place) -> out.append('\uFFFD')
                else -> out.append(char)
            }
        }
        out.append('"')
    }

    /** Says whether a place holds half a character without its other half, which no UTF-8 has. */
    private fun isLoneHalf(text: CharSequence, place: Int): Boolean {
        val char = text[place]
        return when {
            char.isHighSurrogate() -> text.getOrNull(place + 1)?.isLowSurrogate() != true
            char.isLowSurrogate() -> text.getOrNull(place - 1)?.isHighSurrogate() != true
            else -> false
        }
    }
}
