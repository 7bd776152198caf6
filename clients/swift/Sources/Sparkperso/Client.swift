// Untested: no test of this project compiles or runs it. See docs/clients.md.
import Foundation

/// Sends events to the collector in batches, through outages.
///
/// An event has its id before it is queued, so that one that is sent twice counts once. What waits is
/// kept in `queueFile`, one JSON object per line, and is sent after the next start. One client at a
/// time may use a file.
public actor Client {
    public struct Options: Sendable {
        public var batchEvents = 100
        public var flushSeconds = 2.0
        public var maxQueued = 10_000
        public var firstPauseSeconds = 0.5
        public var longestPauseSeconds = 60.0
        public init() {}
    }

    /// The request itself is at fault: halves of it are sent until the event that is, is found.
    private static let atFault: Set<Int> = [400, 413, 415, 422]

    private let address: URL
    private let authorization: String
    private let queueFile: URL?
    private let options: Options
    private let session: URLSession
    private var waiting: [Data] = []
    private var most: Int
    private var failures = 0
    private var notBefore = Date.distantPast
    private var worker: Task<Void, Never>?
    private var isSending = false

    /// Events that were never sent, since the queue was full.
    public private(set) var dropped = 0

    public init(
        url: URL, writeKey: String, queueFile: URL? = nil, options: Options = Options(),
        session: URLSession = .shared
    ) {
        address = url.appendingPathComponent("v1/events")
        authorization = "Basic " + Data("\(writeKey):".utf8).base64EncodedString()
        self.queueFile = queueFile
        self.options = options
        self.session = session
        most = options.batchEvents
        if let queueFile, let data = try? Data(contentsOf: queueFile) {
            waiting = data.split(separator: UInt8(ascii: "\n")).map { Data($0) }
        }
    }

    /// Starts sending in the background, every `flushSeconds`.
    public func start() {
        guard worker == nil else { return }
        let pause = UInt64(options.flushSeconds * 1_000_000_000)
        worker = Task { [weak self] in
            while !Task.isCancelled {
                try? await Task.sleep(nanoseconds: pause)
                await self?.flush()
            }
        }
    }

    /// Queues an event and returns its id. `fields` are further fields of an event, such as item_id.
    @discardableResult
    public func track(
        _ eventType: String, userId: String? = nil, anonymousId: String? = nil,
        metadata: [String: Any] = [:], fields: [String: Any] = [:]
    ) throws -> String {
        let id = UUID().uuidString.lowercased()
        var event: [String: Any] = [
            "event_id": id, "event_type": eventType, "channel": "mobile", "metadata": metadata,
            "timestamp": Int64(Date().timeIntervalSince1970 * 1000),
        ]
        event["user_id"] = userId
        event["anonymous_id"] = anonymousId
        event.merge(fields) { _, given in given }
        guard userId != nil || anonymousId != nil, JSONSerialization.isValidJSONObject(event) else {
            throw CocoaError(.propertyListWriteInvalid)
        }
        guard waiting.count < options.maxQueued else {
            dropped += 1
            return id
        }
        waiting.append(try JSONSerialization.data(withJSONObject: Self.repaired(event)))
        save()
        return id
    }

    /// Sends what waits, until all is sent or a request fails; a pause that is due is kept.
    public func flush() async {
        guard !isSending else { return }
        isSending = true
        defer { isSending = false }
        while !waiting.isEmpty, notBefore <= Date(), await sendOne() {}
    }

    /// Ends the background task; what waits stays in its file.
    public func stop() {
        worker?.cancel()
        worker = nil
    }

    /// Sends one batch; false when it has to be sent again after a pause.
    private func sendOne() async -> Bool {
        let lines = Array(waiting.prefix(most))
        var request = URLRequest(url: address, timeoutInterval: 15)
        request.httpMethod = "POST"
        request.setValue(authorization, forHTTPHeaderField: "Authorization")
        request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        // The collector takes the error of this device's clock from sent_at.
        let sentAt = Int64(Date().timeIntervalSince1970 * 1000)
        request.httpBody =
            Data("{\"sent_at\":\(sentAt),\"events\":[".utf8) + Data(lines.joined(separator: Data(",".utf8))) + Data("]}".utf8)
        guard let (body, response) = try? await session.data(for: request),
            let answer = response as? HTTPURLResponse
        else {
            pause(asked: 0)
            return false
        }
        let isAtFault = Self.atFault.contains(answer.statusCode)
        // A proxy's page with 200 is no collector's word: the events stay.
        let isRead = body.range(of: Data("\"results\"".utf8)) != nil
        let isJudged = isRead && [200, 422].contains(answer.statusCode)
        if isJudged || (isAtFault && lines.count == 1) {
            waiting.removeFirst(lines.count)
            most = min(options.batchEvents, most * 2)
            failures = 0
            save()
            return true
        }
        if isAtFault {
            most = max(1, lines.count / 2)
            return true
        }
        pause(asked: answer.value(forHTTPHeaderField: "Retry-After").flatMap(Double.init) ?? 0)
        return false
    }

    /// Half a character, as an NSString may hold it, becomes U+FFFD: no UTF-8 has one.
    private static func repaired(_ value: Any) -> Any {
        switch value {
        case let text as String: return String(decoding: Array(text.utf16), as: UTF16.self)
        case let object as [String: Any]: return object.mapValues(repaired)
        case let list as [Any]: return list.map(repaired)
        default: return value
        }
    }

    private func pause(asked: Double) {
        let doubled = options.firstPauseSeconds * pow(2, Double(min(failures, 20)))
        let own = min(options.longestPauseSeconds, doubled) * Double.random(in: 0.5...1)
        failures += 1
        notBefore = Date().addingTimeInterval(max(own, min(asked, 3600)))
    }

    private func save() {
        guard let queueFile else { return }
        let data = waiting.reduce(into: Data()) { $0 += $1 + Data("\n".utf8) }
        try? data.write(to: queueFile, options: .atomic)
    }
}
