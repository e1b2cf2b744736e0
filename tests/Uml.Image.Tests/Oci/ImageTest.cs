using System.Formats.Tar;
using Xunit;

namespace Uml.CI;

/// <summary>A store and a place for images of one test, gone with it.</summary>
public abstract class ImageTest : IDisposable
{
    private readonly string _directory = Path.Combine(Path.GetTempPath(), "uml-oci-tests-" + Guid.NewGuid().ToString("N"));

    protected ImageTest() => Directory.CreateDirectory(Store);

    protected string Store => this["store"];

    protected string this[string name] => Path.Combine(_directory, name);

    protected static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        UnixFiles.DeleteTree(_directory);
        GC.SuppressFinalize(this);
    }

    internal static OciOptions Options(params (string Name, string Value)[] environment) => new()
    {
        Host = new HostTools { Variable = name => environment.Where(e => e.Name == name).Select(e => e.Value).FirstOrDefault() ?? (name == "PATH" ? Environment.GetEnvironmentVariable(name) : null) },
        Timeouts = new OciTimeouts { Retry = TimeSpan.FromMilliseconds(5) },
        Limits = new OciLimits { MinFree = 1 },
    };

    /// <summary>What the image's root has, by path, as another reader sees the archive.</summary>
    internal async Task<Dictionary<string, TarEntry>> MergeAsync(string reference, OciOptions? options = null) => Read(await TarAsync(reference, options));

    internal async Task<byte[]> TarAsync(string reference, OciOptions? options = null)
    {
        using OciImage image = await OciImage.OpenAsync(OciReference.Parse(reference), Store, options ?? Options(), Token);
        using MemoryStream tar = new();
        await image.WriteTarAsync(tar, Token);
        return tar.ToArray();
    }

    internal static Dictionary<string, TarEntry> Read(byte[] tar)
    {
        Dictionary<string, TarEntry> entries = [];
        using TarReader reader = new(new MemoryStream(tar));
        while (reader.GetNextEntry(copyData: true) is { } entry)
            entries.Add(entry.Name["./".Length..].TrimEnd('/'), entry);
        return entries;
    }

    internal static string Text(TarEntry entry) => entry.DataStream is null ? "" : new StreamReader(entry.DataStream).ReadToEnd();

    /// <summary>It is refused with one line that names it and has these words, and the store is as empty as before.</summary>
    internal async Task<KernelException> RefusedAsync(string reference, string words, OciOptions? options = null)
    {
        KernelException refusal = await Assert.ThrowsAsync<KernelException>(() => TarAsync(reference, options));
        Assert.Contains(words, refusal.Message, StringComparison.Ordinal);
        Assert.StartsWith(reference, refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refusal.Message);
        Assert.Empty(Kept());
        return refusal;
    }

    /// <summary>The files of the store, but for its locks.</summary>
    protected string[] Kept() =>
        [.. Directory.EnumerateFiles(Store, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(Store, f)).Where(f => f != "tmp/gate" && !f.StartsWith("locks/", StringComparison.Ordinal))];

    internal string Layout(ImageBuilder image, string name = "image") => "oci:" + image.WriteLayout(this[name]);

    internal string Layout(LayerBuilder layer) => Layout(new ImageBuilder().Layer(layer).Build());
}
