"""What mail programs and providers call the folder of sent mail, by language."""

from __future__ import annotations

import unicodedata

# The default names of Outlook, Exchange, Thunderbird, Apple Mail, Gmail and webmails; the language is the first word.
SENT_NAMES = {
    "English": ("Sent", "Sent Items", "Sent Messages", "Sent Mail", "sent-mail", "Sent Mails", "Sent Email"),
    "German": ("Gesendet", "Gesendete Elemente", "Gesendete Objekte", "Gesendete Nachrichten", "Postausgang gesendet"),
    "French": ("Envoyés", "Éléments envoyés", "Messages envoyés", "Objets envoyés", "Courrier envoyé", "Envoyé"),
    "Spanish": ("Enviados", "Elementos enviados", "Mensajes enviados", "Correo enviado", "Enviado"),
    "Catalan": ("Enviats", "Elements enviats", "Missatges enviats"),
    "Portuguese": ("Itens enviados", "Itens Enviados", "Mensagens enviadas", "E-mails enviados", "Enviadas", "Enviada"),
    "Italian": ("Inviati", "Posta inviata", "Elementi inviati", "Inviata", "Messaggi inviati"),
    "Romanian": ("Trimise", "Elemente trimise", "Mesaje trimise"),
    "Dutch": ("Verzonden", "Verzonden items", "Verzonden berichten", "Verstuurd", "Verzonden objecten"),
    "Danish": ("Sendt", "Sendt post", "Sendte elementer", "Sendte beskeder", "Sendte e-mails"),
    "Norwegian": ("Sendte", "Sendte elementer", "Sendt e-post", "Sendte meldinger"),
    "Swedish": ("Skickat", "Skickade objekt", "Skickade meddelanden", "Skickade", "Skickad e-post"),
    "Finnish": ("Lähetetyt", "Lähetetyt viestit", "Lähetetty"),
    "Icelandic": ("Sendur póstur", "Send skeyti", "Sent skeyti"),
    "Estonian": ("Saadetud", "Saadetud üksused", "Saadetud kirjad"),
    "Latvian": ("Nosūtītie", "Nosūtītās vēstules", "Nosūtītie vienumi"),
    "Lithuanian": ("Išsiųsta", "Išsiųsti laiškai", "Išsiųsti elementai", "Išsiųstieji"),
    "Polish": ("Wysłane", "Elementy wysłane", "Wysłane elementy", "Wiadomości wysłane"),
    "Czech": ("Odeslané", "Odeslaná pošta", "Odeslané zprávy", "Odeslané položky"),
    "Slovak": ("Odoslané", "Odoslaná pošta", "Odoslané správy", "Odoslané položky"),
    "Slovenian": ("Poslano", "Poslana pošta", "Poslani elementi", "Poslana sporočila"),
    "Croatian": ("Poslana pošta", "Poslane stavke", "Poslano", "Poslane poruke"),
    "Serbian": ("Послато", "Послате ставке", "Poslate stavke", "Poslato"),
    "Hungarian": ("Elküldött", "Elküldött elemek", "Elküldött üzenetek", "Elküldött levelek"),
    "Greek": ("Απεσταλμένα", "Σταλμένα", "Απεσταλμένα στοιχεία", "Απεσταλμένα μηνύματα"),
    "Bulgarian": ("Изпратени", "Изпратени елементи", "Изпратена поща"),
    "Russian": ("Отправленные", "Отправленные элементы", "Исходящие отправленные"),
    "Ukrainian": ("Надіслані", "Відправлені", "Надіслані елементи"),
    "Turkish": ("Gönderilmiş Öğeler", "Gönderilenler", "Gönderilmiş", "Gönderilmiş Postalar"),
    "Hebrew": ("פריטים שנשלחו", "דואר שנשלח", "נשלח"),
    "Arabic": ("العناصر المرسلة", "البريد المرسل", "المرسل", "المرسلة"),
    "Persian": ("فرستاده شده", "پیام‌های ارسالی"),
    "Hindi": ("भेजे गए", "भेजे गए आइटम", "भेजा गया मेल"),
    "Thai": ("จดหมายที่ส่งแล้ว", "รายการที่ถูกส่ง", "ส่งแล้ว"),
    "Vietnamese": ("Đã gửi", "Thư đã gửi", "Mục đã gửi", "Khoản mục đã Gửi"),
    "Indonesian": ("Terkirim", "Item Terkirim", "Pesan Terkirim"),
    "Chinese": ("已发送", "已发送邮件", "已傳送", "寄件備份", "寄件備份匣", "已傳送的郵件", "已寄出", "发件箱已发送"),
    "Japanese": ("送信済み", "送信済みアイテム", "送信済みメール", "送信済みトレイ", "送信控え"),
    "Korean": ("보낸 편지함", "보낸 메일함", "보낸편지함", "보낸메일함"),
}  # fmt: skip


def _alike(name: str) -> str:
    """Return a name as it is compared: accents composed, letter case and outer blanks dropped."""
    return unicodedata.normalize("NFC", name).casefold().strip()


_KNOWN = frozenset(_alike(name) for names in SENT_NAMES.values() for name in names)


def is_sent_name(name: str) -> bool:
    """Return whether a folder's last name is one of the known names for sent mail."""
    return _alike(name) in _KNOWN
