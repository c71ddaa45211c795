/** Icons, by the names that `<wa-icon name>` takes. */
import archiveRestore from 'lucide-static/icons/archive-restore.svg?raw';
import check from 'lucide-static/icons/check.svg?raw';
import circleCheck from 'lucide-static/icons/circle-check.svg?raw';
import circleX from 'lucide-static/icons/circle-x.svg?raw';
import copy from 'lucide-static/icons/copy.svg?raw';
import download from 'lucide-static/icons/download.svg?raw';
import ellipsisVertical from 'lucide-static/icons/ellipsis-vertical.svg?raw';
import eye from 'lucide-static/icons/eye.svg?raw';
import file from 'lucide-static/icons/file.svg?raw';
import filePlus from 'lucide-static/icons/file-plus.svg?raw';
import fileText from 'lucide-static/icons/file-text.svg?raw';
import folder from 'lucide-static/icons/folder.svg?raw';
import folderOpen from 'lucide-static/icons/folder-open.svg?raw';
import folderPlus from 'lucide-static/icons/folder-plus.svg?raw';
import grid2x2 from 'lucide-static/icons/grid-2x2.svg?raw';
import hardDrive from 'lucide-static/icons/hard-drive.svg?raw';
import hardDriveUpload from 'lucide-static/icons/hard-drive-upload.svg?raw';
import info from 'lucide-static/icons/info.svg?raw';
import link from 'lucide-static/icons/link.svg?raw';
import listChecks from 'lucide-static/icons/list-checks.svg?raw';
import menu from 'lucide-static/icons/menu.svg?raw';
import moon from 'lucide-static/icons/moon.svg?raw';
import move from 'lucide-static/icons/move.svg?raw';
import packageOpen from 'lucide-static/icons/package-open.svg?raw';
import pencil from 'lucide-static/icons/pencil.svg?raw';
import play from 'lucide-static/icons/play.svg?raw';
import plugZap from 'lucide-static/icons/plug-zap.svg?raw';
import plus from 'lucide-static/icons/plus.svg?raw';
import power from 'lucide-static/icons/power.svg?raw';
import redo from 'lucide-static/icons/redo.svg?raw';
import refreshCw from 'lucide-static/icons/refresh-cw.svg?raw';
import save from 'lucide-static/icons/save.svg?raw';
import scanSearch from 'lucide-static/icons/scan-search.svg?raw';
import skipForward from 'lucide-static/icons/skip-forward.svg?raw';
import sun from 'lucide-static/icons/sun.svg?raw';
import sunMoon from 'lucide-static/icons/sun-moon.svg?raw';
import trash2 from 'lucide-static/icons/trash-2.svg?raw';
import triangleAlert from 'lucide-static/icons/triangle-alert.svg?raw';
import undo2 from 'lucide-static/icons/undo-2.svg?raw';
import upload from 'lucide-static/icons/upload.svg?raw';
import workflow from 'lucide-static/icons/workflow.svg?raw';
import x from 'lucide-static/icons/x.svg?raw';
import zap from 'lucide-static/icons/zap.svg?raw';

export const icons: Readonly<Record<string, string>> = {
  'archive-restore': archiveRestore,
  check,
  'circle-check': circleCheck,
  'circle-x': circleX,
  copy,
  download,
  'ellipsis-vertical': ellipsisVertical,
  eye,
  file,
  'file-plus': filePlus,
  'file-text': fileText,
  folder,
  'folder-open': folderOpen,
  'folder-plus': folderPlus,
  'grid-2x2': grid2x2,
  'hard-drive': hardDrive,
  'hard-drive-upload': hardDriveUpload,
  info,
  link,
  'list-checks': listChecks,
  menu,
  moon,
  move,
  'package-open': packageOpen,
  pencil,
  play,
  'plug-zap': plugZap,
  plus,
  power,
  redo,
  'refresh-cw': refreshCw,
  save,
  'scan-search': scanSearch,
  'skip-forward': skipForward,
  sun,
  'sun-moon': sunMoon,
  'trash-2': trash2,
  'triangle-alert': triangleAlert,
  'undo-2': undo2,
  upload,
  workflow,
  x,
  zap,
};
