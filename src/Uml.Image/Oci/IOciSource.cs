namespace Uml.CI;

/// <summary>Where an image is read from.</summary>
internal interface IOciSource : IAsyncDisposable
{
    /// <summary>Reads the image's documents, checks them, and chooses this platform's image.</summary>
    /// <exception cref="OciFaultException">There is no such image, or it is malformed.</exception>
    Task<OciContents> ResolveAsync(CancellationToken cancellationToken);

    /// <summary>Gets the packed layers to this machine, where they are not on it.</summary>
    Task FetchAsync(OciContents contents, CancellationToken cancellationToken);

    /// <summary>Opens a packed layer, whose digest is yet to be checked; it can seek.</summary>
    Task<Stream> OpenLayerAsync(OciLayer layer, CancellationToken cancellationToken);

    /// <summary>The image has turned out malformed: nothing of it stays in the store.</summary>
    void Forget();
}
