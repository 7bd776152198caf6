// swift-tools-version:5.9
// Untested: no test of this project compiles or runs it. See docs/clients.md.
import PackageDescription

let package = Package(
    name: "Sparkperso",
    platforms: [.iOS(.v15), .macOS(.v12)],
    products: [.library(name: "Sparkperso", targets: ["Sparkperso"])],
    targets: [.target(name: "Sparkperso")]
)
