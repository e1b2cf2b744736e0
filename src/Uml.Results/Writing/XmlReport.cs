using System.Text;
using System.Xml;

namespace Uml.CI;

/// <summary>What writers of XML share.</summary>
internal static class XmlReport
{
    public static XmlWriter Create(Stream stream) => XmlWriter.Create(stream, new XmlWriterSettings
    {
        Encoding = new UTF8Encoding(false),
        Indent = true,
        CloseOutput = false,
        NewLineHandling = NewLineHandling.Entitize,
        NewLineChars = "\n",
        // All text is cleaned.
        CheckCharacters = false,
    });

    public static void Attribute(this XmlWriter xml, string name, string value) => xml.WriteAttributeString(name, ReportText.CleanXml(value));

    public static void TextElement(this XmlWriter xml, string name, string value)
    {
        xml.WriteStartElement(name);
        xml.Text(value);
        xml.WriteEndElement();
    }

    // In pieces: a log may be longer than a string that is made of it by escaping should be.
    public static void Text(this XmlWriter xml, string value) => xml.WriteString(ReportText.CleanXml(value));
}
