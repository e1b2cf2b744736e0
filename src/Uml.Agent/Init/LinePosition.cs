namespace Uml.CI.Agent.Init;

/// <summary>Where a line stands between two frames.</summary>
/// <param name="Descriptor">The open device.</param>
/// <param name="Sent">Frames sent.</param>
/// <param name="Acknowledged">Bytes acknowledged.</param>
/// <param name="Expected">Number of the frame that is due.</param>
/// <param name="BytesTaken">Bytes taken off the line.</param>
internal readonly record struct LinePosition(int Descriptor, uint Sent, uint Acknowledged, uint Expected, uint BytesTaken);
