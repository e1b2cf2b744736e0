namespace Uml.CI;

/// <summary>How an image is fetched.</summary>
internal sealed record OciOptions
{
    public OciLimits Limits { get; init; } = new();

    public OciTimeouts Timeouts { get; init; } = new();

    public HostTools Host { get; init; } = HostTools.Default;

    public IProgress<KernelProgress>? Progress { get; init; }

    /// <summary>How many bytes of layers the store keeps for the next image; those not used for longest go first.</summary>
    public long CacheBytes { get; init; } = 4L << 30;

    public static OciOptions From(HostTools host, IProgress<KernelProgress>? progress = null) =>
        new() { Limits = OciLimits.From(host), Host = host, Progress = progress };
}
