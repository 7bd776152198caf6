package sparkperso

import java.io.File
import java.io.IOException
import java.io.RandomAccessFile
import java.nio.channels.OverlappingFileLockException

/**
 * Events that wait, one line each: in memory, and in a file that outlives the process.
 *
 * What is sent is cut off the file from time to time: after a crash some events are sent again, with
 * the ids that they had, and count once. One process and one client at a time may use a file.
 */
internal class Queue(private val path: File?, private val most: Int) : AutoCloseable {
    private val waiting = ArrayDeque<String>()
    private var file: RandomAccessFile? = path?.let(::open)
    private var sent = 0

    init {
        file?.let(::load)
    }

    @get:Synchronized
    val size: Int get() = waiting.size

    /** Appends an event; false when the queue is full. */
    @Synchronized
    fun put(line: String): Boolean {
        if (waiting.size >= most) return false
        file?.write("$line\n".toByteArray())
        waiting.addLast(line)
        return true
    }

    /** Returns the oldest events: at least one, of [bytes] characters together. */
    @Synchronized
    fun head(events: Int, bytes: Int): List<String> {
        var total = 0
        return waiting.take(events).filterIndexed { index, line ->
            total += line.length + 1
            index == 0 || total <= bytes
        }
    }

    /** Removes the oldest [count] events. */
    @Synchronized
    fun remove(count: Int) {
        repeat(count) { waiting.removeFirst() }
        sent += count
        if (waiting.isEmpty() || sent >= most) compact()
    }

    @Synchronized
    override fun close() {
        compact()
        file?.close()
        file = null
    }

    private fun open(path: File): RandomAccessFile {
        val opened = RandomAccessFile(path, "rw")
        val lock = try {
            opened.channel.tryLock()
        } catch (_: OverlappingFileLockException) {
            null
        }
        if (lock != null) return opened
        opened.close()
        throw IOException("$path is the queue of another client: give every client its own file")
    }

    /** Reads what waits; a last line that a crash cut short is cut off. */
    private fun load(opened: RandomAccessFile) {
        val bytes = ByteArray(opened.length().toInt()).also(opened::readFully)
        val end = bytes.lastIndexOf('\n'.code.toByte()) + 1
        bytes.decodeToString(0, end).lineSequence().filter(String::isNotEmpty).forEach(waiting::addLast)
        opened.setLength(end.toLong())
        opened.seek(end.toLong())
    }

    /** Writes the file anew with what waits; a crash meanwhile may lose nothing but what is sent. */
    private fun compact() {
        val opened = file ?: return
        val rest = waiting.joinToString("") { "$it\n" }.toByteArray()
        sent = 0
        if (rest.isEmpty()) {
            opened.setLength(0)
            opened.seek(0)
            return
        }
        val copy = File("$path.new").apply { writeBytes(rest) }
        opened.close()
        check(copy.renameTo(path!!)) { "$copy could not take the place of $path" }
        file = open(path).apply { seek(length()) }
    }
}
